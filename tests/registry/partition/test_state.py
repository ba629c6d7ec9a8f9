"""A state is known by its form and its name."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")


from model_registry.partition.graph import graph_of
from model_registry.partition.state import together
from model_registry.tensor import Tensor
from tests.registry.partition.graphs import WIDTH, model, node


def groups(given: str, renewed: str, *, rows: int = 1) -> tuple[tuple[int, ...], ...]:
    nodes = [node("Tanh", "x", "a"), node("Add", f"a {given}", "b"), node("Tanh", "b", renewed), node("Neg", "b", "y")]
    made = model(nodes, inputs={"x": (1, WIDTH), given: (1, WIDTH)}, outputs={"y": (1, WIDTH), renewed: (rows, WIDTH)})
    forms = {given: (1, WIDTH), renewed: (rows, WIDTH), "x": (1, WIDTH), "y": (1, WIDTH)}
    return together(graph_of(made), {n: Tensor(name=n, dtype="float32", shape=s) for n, s in forms.items()})


@pytest.mark.parametrize(
    ("given", "renewed"),
    [("state", "stateN"), ("h", "hn"), ("h_0", "h_1"), ("h_in", "h_out"), ("past_key", "present_key")],
)
def test_readers_and_renewer_of_a_state_stay_together(given: str, renewed: str) -> None:
    assert groups(given, renewed) == ((1, 2),)


def test_what_has_another_form_is_no_state() -> None:
    assert groups("state", "stateN", rows=2) == ()


def test_what_has_another_name_is_no_state() -> None:
    assert groups("left", "right") == ()
