"""The manifest's axes are written into a graph; what is known of inner shapes stays true."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

from typing import Any

from onnx import helper

from model_registry.partition.shapes import shaped
from model_registry.tensor import Tensor
from tests.registry.partition.graphs import FLOAT, model, node


def known(made: Any) -> dict[str, list[int | str]]:
    """Return the shape of every tensor that has one."""
    values = (*made.graph.input, *made.graph.value_info, *made.graph.output)
    return {v.name: [axis.dim_param or axis.dim_value for axis in v.type.tensor_type.shape.dim] for v in values}


def graph(**inner: list[int | str]) -> Any:
    made = model([node("Tanh", "x", "t"), node("Neg", "t", "y")], inputs={"x": ("N", "L")}, outputs={"y": ("N", "L")})
    made.graph.value_info.extend(helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inner.items())
    return made


def tensors(*shape: int | str) -> list[Tensor]:
    return [Tensor(name=name, dtype="float32", shape=shape) for name in ("x", "y")]


def test_inner_tensors_follow_the_names_of_axes() -> None:
    found = known(shaped(graph(t=["N", "L"]), tensors("batch", 7)))

    assert found == {"x": ["batch", 7], "t": ["batch", 7], "y": ["batch", 7]}


def test_names_of_other_axes_and_numbers_stay() -> None:
    assert known(shaped(graph(t=["N", "other", 3]), tensors("batch", "time")))["t"] == ["batch", "other", 3]


def test_what_a_name_now_means_otherwise_is_forgotten() -> None:
    assert "t" not in known(shaped(graph(t=["batch", "L"]), tensors("batch", "time")))


def test_what_has_two_meanings_is_forgotten() -> None:
    made = model([node("Tanh", "x", "t"), node("Neg", "t", "y")], inputs={"x": ("N", "N")}, outputs={"y": ("N", "N")})
    made.graph.value_info.append(helper.make_tensor_value_info("t", FLOAT, ["N"]))

    assert "t" not in known(shaped(made, tensors("batch", 3)))


def test_the_model_itself_is_not_touched() -> None:
    made = graph(t=["N", "L"])
    before = made.SerializeToString()

    shaped(made, tensors("batch", 7))

    assert made.SerializeToString() == before
