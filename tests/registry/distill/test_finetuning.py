from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="fine-tuning needs the `torch` extra")
onnx = pytest.importorskip("onnx", reason="fine-tuning needs the `torch` extra")

import torch  # noqa: E402

from model_registry.distill.examples import Examples  # noqa: E402
from model_registry.distill.finetuning import finetuned  # noqa: E402
from model_registry.distill.goal import Goal  # noqa: E402
from model_registry.distill.interpreter import OPERATORS, GraphNet  # noqa: E402
from model_registry.distill.latency import opened  # noqa: E402
from model_registry.distill.lesson import Progress, Recipe  # noqa: E402
from model_registry.distill.pruning import prune  # noqa: E402
from model_registry.distill.surgery import prepared  # noqa: E402
from model_registry.distill.teacher import Teacher  # noqa: E402
from model_registry.distill.thinning import thinned  # noqa: E402
from tests.registry.distill.graphs import convolutions, port, saved, signals  # noqa: E402


def silent(doing: str, progress: Progress | None) -> None:
    """Show nothing."""


SINGLE: dict[str, tuple[str, dict[str, Any]]] = {
    "strided convolution with uneven edges": ("Conv w", {"pads": [2, 1], "strides": [2], "dilations": [2]}),
    "average that counts the edge": ("AveragePool", {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1}),
    "average that does not": ("AveragePool", {"kernel_shape": [3], "pads": [1, 1], "strides": [2]}),
    "largest with uneven edges": ("MaxPool", {"kernel_shape": [4], "pads": [1, 2], "strides": [3]}),
    "mean over time": ("ReduceMean", {"axes": [2], "keepdims": 0}),
    "softmax over channels": ("Softmax", {"axis": 1}),
    "leaky": ("LeakyRelu", {"alpha": 0.3}),
    "turned": ("Transpose", {"perm": [0, 2, 1]}),
    "flattened": ("Flatten", {"axis": 1}),
    "joined": ("Concat x", {"axis": 1}),
    "a channel": ("Gather i", {"axis": 1}),
}


@pytest.mark.parametrize("case", SINGLE)
def test_torch_runs_an_operator_as_onnxruntime_does(tmp_path: Path, case: str) -> None:
    (operator, *others), attributes = SINGLE[case][0].split(), SINGLE[case][1]
    rng = np.random.default_rng(1)
    weights = {"w": rng.normal(size=(4, 2, 3)).astype(np.float32), "i": np.array(1)}
    node = onnx.helper.make_node(operator, ["x", *others], ["y"], **attributes)
    axes: list[int | str] = ["batch", "channels", "time"]
    rank = 2 if case in ("mean over time", "flattened", "a channel") else 3
    inputs, outputs = [port("x", ["batch", 2, 16])], [port("y", axes[:rank])]
    model = onnx.load(saved(tmp_path / "one.onnx", [node], inputs, outputs, weights))
    shown = rng.normal(size=(3, 2, 16)).astype(np.float32)
    mine = GraphNet(model, ["y"])({"x": torch.from_numpy(shown)})[0].detach().numpy()
    np.testing.assert_allclose(mine, opened(model.SerializeToString()).run(None, {"x": shown})[0], rtol=1e-4, atol=1e-5)


def test_training_brings_a_pruned_model_nearer_to_the_whole_one(tmp_path: Path) -> None:
    path, shown = convolutions(tmp_path), signals(240)
    wanted = Teacher(path).answers({"signal": shown})
    pruned = prune(path.read_bytes(), 0.75, {"signal": shown[:120]}, lambda doing: None).model
    goal = Goal.of("said", wanted["said"])
    parts = [({"signal": shown[half]}, {"said": wanted["said"][half]}) for half in (slice(120), slice(120, 240))]
    tuned = finetuned(pruned, [goal], parts[0], parts[1], lambda step, loss: None, steps=200, seed=1)
    before, after = (
        np.square(opened(model.SerializeToString()).run(None, parts[1][0])[0] - parts[1][1]["said"]).mean()
        for model in (pruned, tuned.model)
    )
    assert after < 0.95 * before  # Least squares had fitted it already.
    assert tuned.note.startswith("fine-tuned")


def test_a_graph_that_torch_is_not_shown_is_left_as_it_is_and_that_is_said(tmp_path: Path) -> None:
    model = onnx.load(convolutions(tmp_path))
    model.graph.node[1].op_type = "Softsign"
    assert "Softsign" not in OPERATORS
    wanted = {"said": np.zeros((120, 2), np.float32)}
    shown = ({"signal": signals()}, wanted)
    tuned = finetuned(model, [Goal.of("said", wanted["said"])], shown, shown, lambda step, loss: None, steps=5, seed=1)
    assert (tuned.model, "Softsign" in tuned.note) == (model, True)


@pytest.mark.parametrize("batch", ["batch", 1])
def test_the_whole_way_of_pruning_ends_in_two_files_and_their_agreement(tmp_path: Path, batch: int | str) -> None:
    path = convolutions(tmp_path, batch=batch)
    made = thinned(Teacher(path), Examples(inputs={"signal": signals(240)}), 0.5, Recipe(steps=100), silent)
    assert len(made.files["fp32"]) < path.stat().st_size
    assert [candidate.agreement["said"] > 0.9 for candidate in made.summary.candidates] == [True, True]
    assert made.summary.made.startswith("16 of 34 channels taken away")


def test_only_what_the_chosen_outputs_need_has_to_be_understood(tmp_path: Path) -> None:
    model = prepared(convolutions(tmp_path).read_bytes())
    model.graph.node.append(onnx.helper.make_node("TopK", ["said", "k"], ["best", "where"]))
    assert GraphNet.lacks(model, ["said"]) == []
    assert GraphNet.lacks(model, ["best"]) == ["TopK"]
