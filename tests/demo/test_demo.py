"""`meshd demo` as a user runs it, with the models that ship."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from meshd.demo.player import MODEL
from model_registry.store import bundled_models

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        MODEL not in bundled_models(),
        reason=f"{MODEL} is not in this tree; python -m model_registry.zoo.ecg.train builds it",
    ),
]
COMMAND = [sys.executable, "-c", "from meshd.cli import main; main()", "demo"]


def test_one_json_object_tells_the_whole_outcome(tmp_path: Path) -> None:
    wishes = ["--duration", "3", "--speed", "40", "--json", "--keep", str(tmp_path)]
    done = subprocess.run([*COMMAND, *wishes], capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    requests = report["requests"]
    assert requests["submitted"] == requests["completed"] >= 40
    assert {key: requests[key] for key in ("failed", "lost", "duplicates")} == {
        "failed": 0,
        "lost": 0,
        "duplicates": 0,
    }
    assert [node["class"] for node in report["nodes"]] == ["watch", "phone", "hub"]
    assert sum(tier["answered"] for tier in report["tiers"].values()) == requests["completed"]
    energy = report["energy_joules"]
    assert 0.0 < energy["watch_only"] <= energy["cascade"]
    assert not _daemons_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_its_daemons_and_says_130(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--duration", "60", "--keep", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "playing" not in process.stderr.readline():
            assert process.poll() is None, "the demo ended before it played"
        os.kill(process.pid, number)
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert not _daemons_of(tmp_path)


def _daemons_of(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(word.startswith(str(folder)) for word in process.info["cmdline"] or [])
        and "meshd.daemon" in process.info["cmdline"]
    ]
