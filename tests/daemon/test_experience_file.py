"""Experience outlives its daemon, belongs to one policy, and goes when a person says so."""

from __future__ import annotations

import asyncio
from os import mkfifo
from pathlib import Path
from threading import Event

import msgspec
import pytest

from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from meshd.daemon.experience_file import ExperienceFile
from meshd.errors import NotForgotten
from meshd.net.files import write_atomically
from meshd.policy.experience import Experience, Kept, Kind, Way
from tests.core.parts import node_id

KITCHEN = Way(node_id=node_id("kitchen"), tier=DeviceClass.HUB, kind=Kind.WHOLE)
LAMP = Way(node_id=node_id("lamp"), tier=DeviceClass.HUB, kind=Kind.WHOLE)


def opened(path: Path, policy: str = "p") -> tuple[ExperienceFile, Experience]:
    experience = Experience(policy)
    file = ExperienceFile(path, experience)
    file.read()
    return file, experience


def taught(path: Path, policy: str = "p") -> tuple[ExperienceFile, Experience]:
    file, experience = opened(path, policy)
    for _ in range(60):
        experience.learn(KITCHEN, 3.0, 0.0)
    asyncio.run(file.save())
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
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"format": 2, "policy": "p", "tallies": []}',
        b"[" * 2_000,
        b'{"policy": "p", "tallies": [{"other": ' + b"[" * 100_000,
        b'{"policy": "p", "tallies": [{"way": {"other": ' + b'{"a":' * 100_000,
    ],
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


def test_a_pipe_in_its_place_keeps_no_start_waiting(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "experience.json"
    mkfifo(path)
    _, experience = opened(path)
    assert experience.kept().tallies == ()
    assert "It is a pipe or a device, and no file" in "".join(capfd.readouterr())


def test_what_absurd_requests_have_taught_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    file, experience = opened(path)
    for number in range(3_000):
        experience.learn(KITCHEN, 1e300, 0.0)
        experience.learn(LAMP, 1e300 * (-1) ** number, 0.0)
    asyncio.run(file.save())
    _, again = opened(path)
    assert [tally.way for tally in again.kept().tallies] == [KITCHEN, LAMP]


def test_a_reset_forgets_and_removes_the_file_and_what_is_learned_later_is_saved_again(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    file, experience = taught(path)
    done = asyncio.run(file.reset(ModelName("policy")))
    assert (done.sentence, path.exists(), experience.kept().tallies) == (
        "What requests had taught the policy here is forgotten.",
        False,
        (),
    )
    asyncio.run(file.save())
    assert not path.exists(), "there is nothing new"
    experience.learn(KITCHEN, 1.0, 0.0)
    asyncio.run(file.save())
    assert ways(path) == [KITCHEN]


def test_a_reset_whose_file_cannot_be_removed_says_that_it_will_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    file, experience = taught(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(NotForgotten, match=r"comes back at the next start: .*experience\.json") as told:
        asyncio.run(file.reset(ModelName("policy")))
    assert "Delete the file" in told.value.hint
    assert experience.kept().tallies == ()


class SlowDisk:
    """Writes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("meshd.daemon.experience_file.write_atomically", self._write)
        self.is_asked, self.goes_on = Event(), Event()

    def _write(self, path: Path, content: bytes, *, mode: int) -> None:
        self.is_asked.set()
        self.goes_on.wait()
        write_atomically(path, content, mode=mode)


def test_a_reset_is_not_undone_by_a_save_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, disk = tmp_path / "experience.json", SlowDisk(monkeypatch)
    file, experience = opened(path)
    experience.learn(KITCHEN, 1.0, 0.0)

    async def reset_meanwhile() -> None:
        saving = asyncio.create_task(file.save())
        await asyncio.to_thread(disk.is_asked.wait)
        resetting = asyncio.create_task(file.reset(ModelName("policy")))
        await asyncio.sleep(0)
        disk.goes_on.set()
        await asyncio.gather(saving, resetting, file.save())

    asyncio.run(reset_meanwhile())
    assert (path.exists(), experience.kept().tallies) == (False, ())


def test_what_is_learned_while_a_disk_writes_is_saved_when_the_daemon_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, disk = tmp_path / "experience.json", SlowDisk(monkeypatch)
    monkeypatch.setattr("meshd.daemon.experience_file._SAVE_EVERY_S", 0.0)
    file, experience = opened(path)
    experience.learn(KITCHEN, 1.0, 0.0)

    async def learn_meanwhile() -> None:
        file.start()
        await asyncio.to_thread(disk.is_asked.wait)
        experience.learn(LAMP, 1.0, 0.0)
        disk.goes_on.set()
        await file.aclose()

    asyncio.run(learn_meanwhile())
    assert ways(path) == [KITCHEN, LAMP]


def test_deleting_the_file_forgets_what_a_running_daemon_knows(tmp_path: Path) -> None:
    path = tmp_path / "experience.json"
    file, experience = taught(path)
    path.unlink()
    experience.learn(KITCHEN, 1.0, 0.0)
    asyncio.run(file.save())
    assert (experience.kept().tallies, path.exists()) == ((), False)


def test_a_disk_that_takes_nothing_costs_no_daemon_and_what_it_left_out_once_it_takes_something(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "away" / "experience.json"
    file, _ = taught(path)
    told = capfd.readouterr()
    assert "experience.refused" in told.out + told.err
    path.parent.mkdir()
    asyncio.run(file.save())
    assert ways(path) == [KITCHEN]


def test_a_disk_that_does_not_answer_forgets_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    file, experience = taught(state / "experience.json")
    state.rename(tmp_path / "away")
    state.write_bytes(b"")
    experience.learn(KITCHEN, 1.0, 0.0)
    asyncio.run(file.save())
    assert [tally.way for tally in experience.kept().tallies] == [KITCHEN]
    told = capfd.readouterr()
    assert "experience.refused" in told.out + told.err
