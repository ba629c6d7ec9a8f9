"""Runs the models that the MLPerf Tiny benchmark is measured with; they lie beside the repository."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.extra import installing
from model_registry.runtime import litert_session
from model_registry.runtime.disagreement import disagreements
from model_registry.runtime.session import GraphTensor, Session, open_session
from model_registry.tensor import Axis, Tensor

MODELS = Path(__file__).parents[4] / "shared" / "data" / "models"
SIGNED, UNSIGNED, ANY = "pretrainedResnet_large_int8.tflite", "pretrainedResnet.tflite", "vww_96_int8.tflite"


def content_of(name: str) -> bytes:
    pytest.importorskip("ai_edge_litert", reason="the extra `litert` is not installed")
    path = MODELS / name
    if not path.is_file():
        pytest.skip(f"needs {name} in ../shared/data/models")
    return path.read_bytes()


def session_of(name: str) -> Session:
    return open_session(content_of(name), "tflite")


def images(batch: int) -> NDArray[Any]:
    return np.random.default_rng(0).integers(-128, 127, (batch, 32, 32, 3), dtype=np.int8)


def test_tensors_are_named_as_the_signature_names_them() -> None:
    session = session_of(SIGNED)
    assert session.inputs == (GraphTensor(name="input_5", dtype="int8", shape=(None, 32, 32, 3)),)
    assert session.outputs == (GraphTensor(name="dense_4", dtype="int8", shape=(None, 10)),)


def test_without_a_signature_tensors_have_their_own_names() -> None:
    session = session_of(UNSIGNED)
    assert [tensor.name for tensor in (*session.inputs, *session.outputs)] == ["input_1", "Identity"]


def test_a_batch_gives_what_its_items_give_one_by_one() -> None:
    session, batch = session_of(SIGNED), images(3)
    [together] = session.run(["dense_4"], {"input_5": batch})
    single = [session.run(["dense_4"], {"input_5": item[None]})[0] for item in batch]
    assert together.tolist() == np.concatenate(single).tolist()


def test_an_axis_that_the_graph_fixes_stays_and_the_session_lives_on() -> None:
    session = session_of(SIGNED)
    [before] = session.run(["dense_4"], {"input_5": images(1)})
    with pytest.raises(RunFailed, match=r"LiteRT failed: .* dimension 1 of tensor 0 with value 32 to 33"):
        session.run(["dense_4"], {"input_5": np.zeros((1, 33, 32, 3), np.int8)})
    [after] = session.run(["dense_4"], {"input_5": images(1)})
    assert before.tolist() == after.tolist()


@pytest.mark.parametrize(
    ("names", "inputs"), [(["dense_4"], {"image": images(1)}), (["dense_5"], {"input_5": images(1)})]
)
def test_a_tensor_that_the_graph_lacks_is_told(names: list[str], inputs: dict[str, NDArray[Any]]) -> None:
    with pytest.raises(RunFailed, match="the graph and the request disagree about"):
        session_of(SIGNED).run(names, inputs)


def test_threads_that_share_a_session_get_their_own_answers() -> None:
    session, batch = session_of(SIGNED), images(8)
    expected = [session.run(["dense_4"], {"input_5": item[None]})[0].tolist() for item in batch]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda i: session.run(["dense_4"], {"input_5": batch[i % 8][None]})[0].tolist(), range(64))
        assert list(found) == expected * 8


def test_a_graph_is_held_against_a_manifest_like_any_other() -> None:
    taken = Tensor(name="input_5", dtype="float32", shape=("batch", 32, 32, 3))
    given = Tensor(name="dense_4", dtype="int8", shape=("batch", 10))
    found = disagreements(session_of(SIGNED), (taken,), (given,), {"batch": Axis(max=4)})
    assert list(found) == ["'input_5' is float32 in the manifest and int8 in the graph"]


@pytest.mark.parametrize("damage", ["empty", "text", "half"])
def test_bytes_that_are_no_model_are_refused(damage: str) -> None:
    content = {"empty": b"", "text": b"no model at all", "half": content_of(ANY)[:1000]}[damage]
    with pytest.raises(ModelUnreadable, match="LiteRT cannot load it"):
        open_session(content, "tflite")


def test_without_the_extra_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    litert_session._litert.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ModelUnreadable) as refused:
        open_session(b"", "tflite")
    assert refused.value.hint == f"Run: {installing('litert')}"


@pytest.mark.slow
def test_nothing_is_written_but_what_others_write_meanwhile_is_kept() -> None:
    script = (
        "import os, sys; from model_registry.runtime import litert_session as lite\n"
        "with lite._without_chatter(): os.write(2, b'INFO: chatter\\nours\\n')\n"
        "lite.LiteRtSession(sys.stdin.buffer.read())"
    )
    ran = subprocess.run([sys.executable, "-c", script], input=content_of(ANY), capture_output=True, check=True)
    assert (ran.stdout, ran.stderr) == (b"", b"ours\n")
