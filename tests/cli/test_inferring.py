"""`meshd infer` carries arrays from files to the daemon and back."""

import json
from pathlib import Path

import numpy as np
import pytest

from meshd.core.request import Priority, Privacy
from meshd.wire.messages import Infer
from tests.cli import samples
from tests.cli.conftest import Command
from tests.cli.fake_daemon import FakeDaemon


@pytest.fixture
def window(tmp_path: Path) -> Path:
    path = tmp_path / "window.npy"
    np.save(path, np.arange(6, dtype=np.int16).reshape(1, 6))
    return path


@pytest.fixture
def answering(daemon: FakeDaemon) -> FakeDaemon:
    daemon.answer = samples.ANSWER
    daemon.outputs = {"anomaly": np.array([0.97], np.float32), "beat_sample": np.arange(20, dtype=np.int32)}
    return daemon


def test_json_holds_the_answer_and_all_values(meshd: Command, answering: FakeDaemon, window: Path) -> None:
    document = json.loads(meshd("infer", "ecg-anomaly", "--input", f"ecg={window}", "--json").out)
    assert document["answer"]["route"][0]["node"] == "kitchen"
    assert document["outputs"]["beat_sample"] == {"dtype": "int32", "shape": [20], "values": list(range(20))}


def test_options_and_arrays_reach_the_daemon(meshd: Command, answering: FakeDaemon, window: Path) -> None:
    wishes = ("--deadline", "0.5", "--privacy", "device", "--priority", "emergency", "--min-tier", "hub")
    assert meshd("infer", "ecg-anomaly", "--input", f"ecg={window}", *wishes, "--plan", "kitchen").code == 0
    (asked,) = answering.asked
    assert isinstance(asked, Infer)
    assert (asked.deadline_s, asked.privacy, asked.priority, asked.min_tier) == (
        0.5,
        Privacy.DEVICE,
        Priority.EMERGENCY,
        "hub",
    )
    assert asked.plan == "kitchen"
    np.testing.assert_array_equal(answering.inputs["ecg"], np.load(window))


def test_a_person_reads_outputs_route_and_price(meshd: Command, answering: FakeDaemon, window: Path) -> None:
    out = meshd("infer", "ecg-anomaly", "--input", f"ecg={window}").out
    assert [" ".join(line.split()) for line in out.splitlines()][:5] == [
        "anomaly float32[1] [0.97]",
        "beat_sample int32[20] [ 0 1 2 ... 17 18 19]",
        "",
        "anomalous: yes, 97% sure, not degraded",
        "hub tier on kitchen · 3.50 ms · ~12.2 mJ",
    ]


def test_outputs_are_written_as_files(meshd: Command, answering: FakeDaemon, window: Path, tmp_path: Path) -> None:
    ended = meshd("infer", "ecg-anomaly", "--input", f"ecg={window}", "--output", tmp_path / "out", "--json")
    assert json.loads(ended.out)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "beat_sample.npy"), np.arange(20))
    assert f"wrote {tmp_path / 'out' / 'anomaly.npy'}" in ended.err.splitlines()


@pytest.mark.parametrize(
    ("word", "told"),
    [("ecg", "is not NAME=FILE"), ("ecg=absent.npy", "no readable .npy file"), ("=x.npy", "is not NAME=FILE")],
)
def test_an_input_that_is_none_is_a_mistake_in_usage(word: str, told: str, meshd: Command) -> None:
    ended = meshd("infer", "ecg-anomaly", "--input", word)
    assert (ended.code, ended.out) == (2, "")
    assert told in " ".join(ended.err.replace("│", " ").split())


def test_a_pickled_array_is_never_opened(meshd: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    assert meshd("infer", "ecg-anomaly", "--input", f"ecg={tmp_path / 'objects.npy'}").code == 2


def test_a_refusal_ends_with_code_1(meshd: Command, daemon: FakeDaemon, window: Path) -> None:
    ended = meshd("infer", "nothing", "--input", f"ecg={window}")
    assert (ended.code, ended.out, ended.err) == (1, "", "meshd: no such model.\n")


def test_a_csv_is_no_npy_file_and_nobody_is_told_to_unpickle_it(meshd: Command, tmp_path: Path) -> None:
    (tmp_path / "window.csv").write_text("1,2,3\n")
    ended = meshd("infer", "ecg-anomaly", "--input", f"ecg={tmp_path / 'window.csv'}")
    assert ended.code == 2
    assert "numpy.save" in ended.err
    assert "pickle" not in ended.err


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf"])
def test_a_deadline_that_is_none_is_a_mistake_in_usage(seconds: str, meshd: Command, window: Path) -> None:
    ended = meshd("infer", "ecg-anomaly", "--input", f"ecg={window}", "--deadline", seconds)
    assert (ended.code, ended.out) == (2, "")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_asked(
    meshd: Command, answering: FakeDaemon, window: Path
) -> None:
    ended = meshd("infer", "ecg-anomaly", "--input", f"ecg={window}", "--output", window)
    assert (ended.code, ended.out, answering.asked) == (2, "", [])
    assert "cannot be written: File exists" in " ".join(ended.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--plan", ""), "it names no place; leave it out, and the best is taken"),
        (("--input", "ecg={}"), "there are two files for input 'ecg'"),
    ],
)
def test_words_that_would_be_passed_over_in_silence_are_refused(
    meshd: Command, daemon: FakeDaemon, window: Path, words: tuple[str, ...], why: str
) -> None:
    ended = meshd("infer", "ecg-anomaly", "--input", f"ecg={window}", *(word.format(window) for word in words))
    assert (ended.code, ended.out) == (2, "")
    assert why in " ".join(ended.err.replace("│", " ").split())
    assert daemon.asked == []
