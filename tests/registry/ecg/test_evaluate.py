from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_registry.zoo.ecg import evaluate
from model_registry.zoo.ecg.demo_stream import DemoStream
from model_registry.zoo.ecg.family import Family
from model_registry.zoo.ecg.patients import shipped
from model_registry.zoo.ecg.recording import Windows, load_npz
from tests.registry.ecg.conftest import Archive

TIER = {"auroc", "sensitivity", "specificity", "bytes", "p50_ms"}
BEAT = {"sensitivity", "positive_predictivity"}
WAY = {"sensitivity", "specificity", "energy_joules"}


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert evaluate.main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def real_minutes(tmp_path: Path, stream: DemoStream) -> Path:
    real = np.flatnonzero(stream.real).tolist()
    beats = [stream.beats(at) for at in real]
    path = tmp_path / "real.npz"
    np.savez(
        path,
        sig_208=stream.windows[real].ravel(),
        pos_208=np.concatenate([3600 * turn + known.sample for turn, known in enumerate(beats)]),
        sym_208=np.concatenate([np.array(list("NAVFQ"))[known.label] for known in beats]),
    )
    return path


def test_the_json_has_exactly_the_promised_keys(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    figures = printed(capsys, "--data", str(archive()))
    assert set(figures) == {
        "tiers", "beats", "cascade", "watch_only", "hub_only", "windows", "anomalous",
    }  # fmt: skip
    assert {name: set(tier) for name, tier in figures["tiers"].items()} == {"watch": TIER, "phone": TIER, "hub": TIER}
    assert {name: set(beat) for name, beat in figures["beats"].items()} == {"S": BEAT, "V": BEAT, "F": BEAT}
    assert set(figures["cascade"]) == WAY | {"auroc", "share_leaving_watch", "share_reaching_hub"}
    assert (set(figures["watch_only"]), set(figures["hub_only"])) == (WAY, WAY)
    assert (figures["windows"], figures["anomalous"]) == (3, 1)


def test_only_the_named_records_are_examined(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    other = np.zeros(7200, np.int16), np.array([5]), np.array(["N"])
    path = archive(sig_901=other[0], pos_901=other[1], sym_901=other[2])
    assert printed(capsys, "--data", str(path), "--records", "901")["windows"] == 2
    assert printed(capsys, "--data", str(path))["windows"] == 5


def test_calm_windows_alone_have_no_auroc_and_no_sensitivity(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = printed(capsys, "--data", str(archive(sym_900=np.array(["N"] * 6))))
    assert figures["tiers"]["hub"]["auroc"] is None
    assert figures["cascade"]["sensitivity"] is None


def test_the_tables_say_what_the_json_says(real_minutes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--data", str(real_minutes)]) == 0
    out = capsys.readouterr().out
    assert "30 windows of ten seconds, 29 of them anomalous" in out
    assert "of a stream with 5 % anomalous" in out


def test_ways_are_compared_at_the_cascade_s_specificity(real_minutes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = printed(capsys, "--data", str(real_minutes))
    assert figures["watch_only"]["specificity"] >= figures["cascade"]["specificity"]
    assert figures["hub_only"]["specificity"] >= figures["cascade"]["specificity"]


def test_a_bad_file_is_one_clear_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--data", str(tmp_path / "none.npz"), "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("evaluate: ")
    assert captured.err.count("\n") == 1


def test_a_missing_argument_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([])


def test_examining_imports_neither_torch_nor_onnx() -> None:
    asked = "import sys, model_registry.zoo.ecg.evaluate; print({'torch', 'onnx', 'scipy', 'wfdb'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_the_calibration_can_be_measured_again(family: Family, ds1: Path) -> None:
    windows = Windows.join([recording.windows() for recording in load_npz(ds1, shipped().calibrate)])
    for tier in ("watch", "phone"):
        rule, score = family.rule(tier), family.look(tier, windows.ecg).anomaly
        missed = float((score[windows.anomalous] < rule.low).mean())
        assert missed == pytest.approx(rule.bound.measured_missed, abs=0.005)  # Another CPU rounds otherwise.
        assert rule.bound.positives == int(windows.anomalous.sum())
