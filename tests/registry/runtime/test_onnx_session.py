import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.runtime.disagreement import disagreements
from model_registry.runtime.reason import REASON_LENGTH
from model_registry.runtime.session import GraphTensor, open_session
from model_registry.tensor import Axis, Tensor
from tests.executor.graphs import SAMPLES, lookup_model, mean_model

AXES = {"batch": Axis(max=4), "samples": Axis(max=SAMPLES)}
ECG = Tensor(name="ecg", dtype="int16", shape=("batch", SAMPLES))
SCORE = Tensor(name="score", dtype="float32", shape=("batch",))


def found(*, inputs: tuple[Tensor, ...] = (ECG,), outputs: tuple[Tensor, ...] = (SCORE,)) -> list[str]:
    return list(disagreements(open_session(mean_model()), inputs, outputs, AXES))


def test_a_session_says_what_its_graph_declares() -> None:
    session = open_session(mean_model())
    assert session.inputs == (GraphTensor(name="ecg", dtype="int16", shape=("n", SAMPLES)),)
    assert session.outputs == (GraphTensor(name="score", dtype="float32", shape=("n",)),)


def test_a_graph_that_is_what_the_manifest_says_has_no_disagreement() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("tensor", "differences"),
    [
        (
            Tensor(name="ekg", dtype="int16", shape=("batch", SAMPLES)),
            ["the graph wants an input 'ecg'", "the graph has no input 'ekg'"],
        ),
        (
            Tensor(name="ecg", dtype="float32", shape=("batch", SAMPLES)),
            ["'ecg' is float32 in the manifest and int16 in the graph"],
        ),
        (
            Tensor(name="ecg", dtype="int16", shape=("batch", 1, SAMPLES)),
            ["'ecg' has 3 axes in the manifest and 2 in the graph"],
        ),
        (
            Tensor(name="ecg", dtype="int16", shape=("batch", 15)),
            ["'ecg' has 15 on axis 1 in the manifest and 16 in the graph"],
        ),
        (
            Tensor(name="ecg", dtype="int16", shape=("batch", "samples")),
            ["'ecg' has samples on axis 1 in the manifest and 16 in the graph"],
        ),
    ],
)
def test_a_graph_with_another_input_is_told_apart(tensor: Tensor, differences: list[str]) -> None:
    assert found(inputs=(tensor,)) == differences


def test_a_promised_output_that_the_graph_lacks_is_told() -> None:
    beats = Tensor(name="beats", dtype="float32", shape=("batch",))
    assert found(outputs=(beats,)) == ["the graph has no output 'beats'"]


@pytest.mark.parametrize("content", [b"", b"no model", mean_model()[:-40]], ids=["empty", "text", "truncated"])
def test_bytes_that_are_no_model_are_refused(content: bytes) -> None:
    with pytest.raises(ModelUnreadable, match="onnxruntime cannot load it"):
        open_session(content)


def test_a_failing_run_becomes_our_error_with_a_short_reason_and_the_session_lives_on() -> None:
    session = open_session(lookup_model())
    with pytest.raises(RunFailed) as caught:
        session.run(["score"], {"ecg": np.full((1, SAMPLES), 99, np.int16)})
    assert len(caught.value.message) <= REASON_LENGTH + len("onnxruntime failed: ")
    [score] = session.run(["score"], {"ecg": np.full((1, SAMPLES), 3, np.int16)})
    assert score.tolist() == [3.0]


@pytest.mark.slow
def test_onnxruntime_reports_to_nobody_and_writes_nothing(tmp_path: Path) -> None:
    script = (
        "import os, sys; from model_registry.runtime.session import open_session\n"
        "open_session(sys.stdin.buffer.read())\n"
        "print([t for fd in os.listdir('/proc/self/fd') if 'onnxruntime' in (t := os.path.realpath("
        "'/proc/self/fd/' + fd))])"
    )
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "-c", script], input=mean_model(), capture_output=True, env=environment, check=True
    )
    assert ran.stdout == b"[]\n"
    assert list(tmp_path.iterdir()) == []
