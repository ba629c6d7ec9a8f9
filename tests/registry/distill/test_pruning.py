from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="pruning needs the `torch` extra")
onnx = pytest.importorskip("onnx", reason="pruning needs the `torch` extra")

from model_registry.convert.packing import packed  # noqa: E402
from model_registry.distill.channels import groups  # noqa: E402
from model_registry.distill.errors import DistillError  # noqa: E402
from model_registry.distill.latency import opened  # noqa: E402
from model_registry.distill.pruning import prune  # noqa: E402
from model_registry.distill.surgery import prepared, without  # noqa: E402
from tests.registry.distill.graphs import classifier, convolutions, signals  # noqa: E402


def shapes(content: bytes) -> list[list[int]]:
    """Return the shapes of the weights of a model's layers, in the order of the graph."""
    graph = onnx.load_from_string(content).graph
    constants = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return [constants[node.input[1]] for node in graph.node if node.op_type in ("Conv", "Gemm")]


def test_channels_leave_every_layer_that_makes_or_takes_them(tmp_path: Path) -> None:
    content = convolutions(tmp_path).read_bytes()
    pruned = prune(content, 0.5, {"signal": signals()}, lambda doing: None)
    assert shapes(packed(pruned.model).SerializeToString()) == [[6, 2, 5], [10, 6, 1], [6, 10, 3], [6, 2]]
    assert (pruned.removed, packed(pruned.model).ByteSize() < len(content)) == (16, True)


def test_layers_behind_removed_channels_answer_nearly_as_before(tmp_path: Path) -> None:
    content, shown = convolutions(tmp_path).read_bytes(), {"signal": signals()}
    wanted = opened(content).run(None, shown)[0]
    fitted = opened(prune(content, 0.5, shown, lambda doing: None).model.SerializeToString()).run(None, shown)[0]
    whole = prepared(content)
    kept = {group: np.arange(group.size // 2) for group in groups(whole) if group.removable}
    cut = opened(without(whole, kept).SerializeToString()).run(None, shown)[0]
    assert np.square(fitted - wanted).mean() < 0.05 * np.square(cut - wanted).mean()
    assert np.square(fitted - wanted).mean() < 0.05 * wanted.var()


def test_channels_that_nothing_uses_can_go_without_a_trace(tmp_path: Path) -> None:
    path = convolutions(tmp_path)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == "look_w":
            weights = onnx.numpy_helper.to_array(tensor).copy()
            weights[:, 5:15] = 0
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    whole = prepared(model.SerializeToString())
    inner = next(group for group in groups(whole) if group.size == 20)
    used = np.r_[0:5, 15:20]
    shown = {"signal": signals()}
    cut = opened(without(whole, {inner: used}).SerializeToString()).run(None, shown)[0]
    np.testing.assert_allclose(cut, opened(model.SerializeToString()).run(None, shown)[0], rtol=1e-4, atol=1e-5)


def test_a_residual_sum_binds_channels_and_a_concatenation_holds_them(tmp_path: Path) -> None:
    bound = [group for group in groups(prepared(convolutions(tmp_path).read_bytes())) if group.removable]
    assert [(group.size, len(group.made), len(group.taken)) for group in bound] == [(12, 4, 2), (20, 2, 1)]
    held = groups(prepared(convolutions(tmp_path, concatenated=True).read_bytes()))
    assert [(group.size, group.removable) for group in held] == [(12, False), (20, True), (12, False), (2, False)]


def test_a_model_without_removable_channels_is_refused_with_the_reasons(tmp_path: Path) -> None:
    path, data = classifier(tmp_path)
    with pytest.raises(DistillError, match=r"No channel can be taken away: .*Softmax"):
        prune(path.read_bytes(), 0.5, {"row": np.load(data)["row"]}, lambda doing: None)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 3.0])
def test_a_share_that_is_none_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(DistillError, match="cannot be taken away"):
        prune(convolutions(tmp_path).read_bytes(), share, {"signal": signals()}, lambda doing: None)
