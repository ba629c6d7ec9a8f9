import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meshd.mqtt.outbox import Event, Outbox


def event(number: int, payload: bytes = b"{}") -> Event:
    return Event(event_id=f"event-{number}", kind="anomaly", payload=payload)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(path, capacity=3)) as opened:
        yield opened


def test_events_come_out_in_the_order_in_which_they_went_in(outbox: Outbox) -> None:
    outbox.add([event(2), event(1)])
    outbox.add([event(3, b"\x00\xff")])
    assert outbox.oldest(2) == [event(2), event(1)]
    assert outbox.oldest(9) == [event(2), event(1), event(3, b"\x00\xff")]
    assert outbox.queued == 3


def test_an_event_is_gone_once_it_is_removed(outbox: Outbox) -> None:
    outbox.add([event(1), event(2)])
    outbox.remove(["event-1"])
    assert outbox.oldest(9) == [event(2)]
    assert outbox.queued == 1


def test_the_same_id_twice_is_one_event(outbox: Outbox) -> None:
    outbox.add([event(1, b"first")])
    outbox.add([event(1, b"again"), event(2)])
    assert outbox.oldest(9) == [event(1, b"first"), event(2)]


def test_the_oldest_events_make_room_and_are_counted(outbox: Outbox) -> None:
    outbox.add([event(1), event(2)])
    outbox.add([event(3), event(4), event(5)])
    assert outbox.oldest(9) == [event(3), event(4), event(5)]
    assert (outbox.queued, outbox.dropped) == (3, 2)


def test_events_and_the_count_of_dropped_ones_survive_a_restart(path: Path) -> None:
    with closing(Outbox(path, capacity=1)) as before:
        before.add([event(1), event(2)])
    with closing(Outbox(path)) as after:
        assert after.oldest(9) == [event(2)]
        assert (after.queued, after.dropped, after.put_aside) == (1, 1, None)


def test_a_file_that_is_no_database_is_put_aside(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with closing(Outbox(path)) as outbox:
        outbox.add([event(1)])
        assert outbox.oldest(9) == [event(1)]
        assert outbox.put_aside == path.with_suffix(".damaged")
    assert path.with_suffix(".damaged").read_bytes() == b"no database" * 100


def test_a_file_in_a_folder_that_is_not_there_is_not_put_aside(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        Outbox(tmp_path / "nowhere" / "outbox.db")


def test_a_commit_waits_for_the_disk(outbox: Outbox, path: Path) -> None:
    assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.slow
def test_events_survive_sigkill_between_commit_and_publish(path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # Bound and not listening: every connection is refused.
        port = nobody.getsockname()[1]
        command = [sys.executable, "-m", "tests.mqtt.publisher", str(port), str(path), "5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as publisher:
            assert publisher.stdout is not None
            assert publisher.stdout.readline() == b"settled\n"
            publisher.kill()
    with closing(Outbox(path)) as outbox:
        assert [found.event_id for found in outbox.oldest(9)] == [f"event-{number}" for number in range(5)]
