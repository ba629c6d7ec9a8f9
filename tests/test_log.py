"""One line per event, in one form, on stderr."""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from meshd import log


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def test_a_service_writes_one_json_object_per_line() -> None:
    stream = _stream()
    log.configure(level="info", layout="json", stream=stream)
    log.get_logger(node="watch").info(log.LINK_OPENED, peer="hub", rtt_ms=1.5)
    line = json.loads(_written(stream))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {"event": "link.opened", "level": "info", "node": "watch", "peer": "hub", "rtt_ms": 1.5}


def test_lines_below_the_level_are_not_written() -> None:
    stream = _stream()
    log.configure(level="warning", layout="json", stream=stream)
    log.get_logger().info(log.LINK_OPENED)
    assert _written(stream) == ""


def test_what_is_no_terminal_gets_json_without_being_asked() -> None:
    stream = _stream()
    log.configure(stream=stream)
    log.get_logger().info(log.DAEMON_STARTED)
    assert json.loads(_written(stream))["event"] == "daemon.started"


def test_a_person_reads_names_and_fields_in_plain_words() -> None:
    stream = _stream()
    log.configure(layout="console", stream=stream)
    log.get_logger().warning(log.BROKER_LOST, url="mqtt://localhost")
    assert re.search(r"Z \[warning *\] broker\.lost +url=mqtt://localhost\n$", _written(stream))


def test_a_warning_of_a_library_takes_our_form() -> None:
    stream = _stream()
    log.configure(layout="json", stream=stream)
    logging.getLogger("zeroconf").warning("no route to %s", "224.0.0.251")
    line = json.loads(_written(stream))
    assert (line["event"], line["library"], line["message"]) == (
        "library.reported",
        "zeroconf",
        "no route to 224.0.0.251",
    )


def test_a_field_that_json_does_not_know_is_written_as_python_shows_it() -> None:
    stream = _stream()
    log.configure(layout="json", stream=stream)
    log.get_logger().info(log.LINK_FAILED, error=ValueError("no"))
    assert json.loads(_written(stream))["error"] == "ValueError('no')"


def test_event_names_are_a_noun_and_a_past_participle() -> None:
    names = [value for key, value in vars(log).items() if key.isupper() and isinstance(value, str)]
    assert names
    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z]+(ed|t|en)", name)] == []


def test_event_names_are_unique() -> None:
    names = [value for key, value in vars(log).items() if key.isupper() and isinstance(value, str)]
    assert len(names) == len(set(names))


def test_logging_does_not_load_the_terminal_library() -> None:
    code = "import sys, meshd.log; print([m for m in sys.modules if m.startswith(('rich', 'pygments'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unconfigured_program_keeps_stdout_clean(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().warning(log.BROKER_LOST)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "broker.lost" in captured.err


class _Weather(log.Line, frozen=True, kw_only=True):
    sky: str


def _said(level: log.Level, sky: str) -> _Weather:
    at = datetime(2026, 11, 21, 13, 5, 0, 250_000, tzinfo=UTC)
    return _Weather(event="sky.seen", level=level, timestamp=at, sky=sky)


def test_lines_with_a_form_of_their_own_are_written_like_all_others_and_those_below_the_level_are_not() -> None:
    stream = _stream()
    log.configure(level="warning", layout="json", stream=stream)
    log.write([_said("info", "blue"), _said("warning", "grey"), _said("error", "black")])
    stamp = "2026-11-21T13:05:00.250000Z"
    assert [json.loads(line) for line in _written(stream).splitlines()] == [
        {"event": "sky.seen", "level": "warning", "timestamp": stamp, "sky": "grey"},
        {"event": "sky.seen", "level": "error", "timestamp": stamp, "sky": "black"},
    ]


def test_people_get_the_same_lines_in_words() -> None:
    stream = _stream()
    log.configure(level="info", layout="console", stream=stream)
    log.write([_said("info", "blue")])
    assert re.search(r"2026-11-21.*info.*sky\.seen.*sky=blue", _written(stream))
