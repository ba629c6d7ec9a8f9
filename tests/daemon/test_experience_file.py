"""Experience outlives its daemon, belongs to one policy, and goes when a person says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from meshd.daemon.experience_file import ExperienceFile
from meshd.policy.experience import Experience, Kept, Kind, Way
from tests.core.parts import node_id

KITCHEN = Way(node_id=node_id("kitchen"), tier=DeviceClass.HUB, kind=Kind.WHOLE)


def opened(path: Path, policy: str = "p") -> tuple[ExperienceFile, Experience]:
    experience = Experience(policy)
    file = ExperienceFile(path, experience)
    file.read()
    return file, experience


def taught(path: Path, policy: str = "p") -> tuple[ExperienceFile, Experience]:
    file, experience = opened(path, policy)
    for _ in range(60):
        experience.learn(KITCHEN, 3.0, 0.0)
    file.save()
    return file, experience


def ways(path: Path) -> list[Way]:
    return [tally.way for tally in msgspec.json.decode(path.read_bytes(), type=Kept).tallies]


def test_what_was_saved_is_there_after_a_restart_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    taught(path)
    _, again = opened(path)
    assert [tally.way for tally in again.kept().tallies] == [KITCHEN]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["experience.json"], "no draft is left"


def test_another_policy_begins_afresh(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    taught(path, "p")
    _, other = opened(path, "q")
    assert other.kept().tallies == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"format": 2, "policy": "p", "tallies": []}', b"[" * 2_000]
)
def test_what_is_no_such_file_is_told_and_begins_afresh(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "experience.json"
    path.write_bytes(content)
    _, experience = opened(path)
    assert experience.kept().tallies == ()
    told = capfd.readouterr()
    assert "experience.refused" in told.out + told.err


def test_a_reset_forgets_and_removes_the_file_and_what_is_learned_later_is_saved_again(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    file, experience = taught(path)
    done = asyncio.run(file.reset(ModelName("policy")))
    assert (done.sentence, path.exists(), experience.kept().tallies) == (
        "What requests had taught the policy here is forgotten.",
        False,
        (),
    )
    file.save()
    assert not path.exists(), "there is nothing new"
    experience.learn(KITCHEN, 1.0, 0.0)
    file.save()
    assert ways(path) == [KITCHEN]


def test_deleting_the_file_forgets_what_a_running_daemon_knows(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    file, experience = taught(path)
    path.unlink()
    experience.learn(KITCHEN, 1.0, 0.0)
    file.save()
    assert (experience.kept().tallies, path.exists()) == ((), False)


def test_a_disk_that_takes_nothing_costs_no_daemon(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, _ = taught(tmp_path / "away" / "experience.json")
    file.save()
    told = capfd.readouterr()
    assert "experience.refused" in told.out + told.err


def test_a_disk_that_does_not_answer_forgets_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    file, experience = taught(state / "experience.json")
    state.rename(tmp_path / "away")
    state.write_bytes(b"")
    experience.learn(KITCHEN, 1.0, 0.0)
    file.save()
    assert [tally.way for tally in experience.kept().tallies] == [KITCHEN]
    told = capfd.readouterr()
    assert "experience.refused" in told.out + told.err
