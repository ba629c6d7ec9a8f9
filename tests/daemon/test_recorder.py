"""A journal is for later; what goes wrong with it costs nothing now."""

from pathlib import Path

from meshd.core.events import TimePassed
from meshd.core.journal import replay
from meshd.core.settings import Settings
from meshd.daemon.recorder import Recorder
from tests.daemon.conftest import MakeMember


async def test_a_full_disk_ends_the_recording_and_nothing_else(member: MakeMember, tmp_path: Path) -> None:
    scheduler = member("watch").node.scheduler
    recorder = Recorder(tmp_path / "journal", scheduler, Settings(), 0.0)
    recorder.close()
    recorder._file = Path("/dev/full").open("wb")  # noqa: ASYNC230, SIM115 - the recorder closes it
    for second in range(10_000):
        recorder(float(second), TimePassed())
    assert recorder._file.closed
    recorder.close()


async def test_a_start_keeps_the_journal_of_the_one_before(member: MakeMember, tmp_path: Path) -> None:
    scheduler = member("watch").node.scheduler
    for start in (1.0, 2.0):
        recorder = Recorder(tmp_path / "journal", scheduler, Settings(), start)
        recorder(start, TimePassed())
        recorder.close()
    contents = [(tmp_path / name).read_bytes() for name in ("journal", "journal.previous")]
    assert [len(list(replay(content.splitlines()))) for content in contents] == [1, 1]
