"""`meshd demo` as a user runs it, with the models that ship."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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


@pytest.fixture
def short_tmp() -> Iterator[str]:
    """Yield a folder for sockets, whose paths have room for 107 bytes, and remove what a killed demo left in it."""
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        yield folder


def test_one_json_object_tells_the_whole_outcome(tmp_path: Path) -> None:
    wishes = ["--duration", "3", "--speed", "40", "--json", "--keep", str(tmp_path)]
    done = subprocess.run([*COMMAND, *wishes], capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    requests = report["requests"]
    assert requests["submitted"] == requests["completed"] > 0
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
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
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert not _daemons_of(tmp_path)


def test_ctrl_c_in_the_first_second_is_quiet_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "sockets").mkdir()
    with subprocess.Popen(
        [*COMMAND, "--keep", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "sockets")},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("starting")
        os.killpg(process.pid, signal.SIGINT)  # As a terminal does: the children in the group get it, too.
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "")
    assert not list((tmp_path / "sockets").iterdir())
    assert not _daemons_of(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_demo_that_is_killed_takes_its_daemons_along(tmp_path: Path, short_tmp: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "--duration", "60", "--keep", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": short_tmp},
    ) as process:
        assert process.stderr is not None
        while "playing" not in process.stderr.readline():
            assert process.poll() is None, "the demo ended before it played"
        orphans = [psutil.Process(pid) for pid in _daemons_of(tmp_path)]
        process.kill()
    assert len(orphans) == 3
    _, left = psutil.wait_procs(orphans, timeout=60)
    assert not left


@pytest.mark.parametrize("victim", ["watch", "hub"])
def test_a_device_that_is_killed_costs_what_it_costs_and_is_told(victim: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--duration", "4", "--keep", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "playing" not in process.stderr.readline():
            assert process.poll() is None, "the demo ended before it played"
        (pid,) = _daemons_of(tmp_path / f"{victim}.toml")
        os.kill(pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == (1 if victim == "watch" else 0)
    assert (", 0 lost" in out) == (victim != "watch")
    assert f"the {victim}, by itself" in out


def _daemons_of(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(word.startswith(str(folder)) for word in process.info["cmdline"] or [])
        and "meshd.daemon" in process.info["cmdline"]
    ]
