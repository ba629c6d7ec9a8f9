"""Structured logs: how they are written, and the name of every event that is ever logged.

A name is ``<noun>.<past_participle>`` and never holds a value; values are fields. info: the state changed;
warning: degraded, but dealt with; error: somebody must act. Core never logs. Each request ends in exactly one
canonical line, :data:`REQUEST_FINISHED`, which tells its whole story, so that nobody has to join lines.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, TextIO, cast

import msgspec
from typing_extensions import override


@contextmanager
def _without_decoration() -> Iterator[None]:
    """Hide what structlog imports to draw tracebacks as we never have them drawn, and colours for old Windows.

    Source: resident memory that ``import structlog`` adds on Python 3.11: 6.2 MB with rich, 1.7 MB without, and 1.3 MB
    without colorama.
    """
    hidden = {"rich", "colorama"} - sys.modules.keys()
    sys.modules |= dict.fromkeys(hidden, cast("Any", None))  # An import of one now raises ImportError.
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without_decoration():
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

Level = Literal["debug", "info", "warning", "error"]
Layout = Literal["auto", "json", "console"]
_RANKS: dict[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log as a form of its own: what is written for every request costs a tenth of structlog's way."""

    event: str
    level: Level
    timestamp: datetime
    """In UTC."""


# ---------------------------------------------------------------------------------------------------- request
REQUEST_FINISHED = "request.finished"
"""Fields: request_id model tier outcome code degraded escalations route queue_ms compute_ms transfer_ms
total_ms energy_mj energy_estimated deadline_ms priority privacy policy."""

# -------------------------------------------------------------------------------------------------------- net
PEER_DISCOVERED = "peer.discovered"
PEER_REFUSED = "peer.refused"
PEER_SUSPECTED = "peer.suspected"
PEER_LOST = "peer.lost"
PEER_RETURNED = "peer.returned"
PEER_LEFT = "peer.left"
LINK_OPENED = "link.opened"
LINK_CLOSED = "link.closed"
LINK_FAILED = "link.failed"
FRAME_REFUSED = "frame.refused"
READER_CUT = "reader.cut"
DISCOVERY_STARTED = "discovery.started"
DISCOVERY_FAILED = "discovery.failed"
ENDPOINT_OPENED = "endpoint.opened"
CLIENT_REFUSED = "client.refused"
IDENTITY_CREATED = "identity.created"
IDENTITY_SUPERSEDED = "identity.superseded"
IDENTITY_CONTESTED = "identity.contested"
TRUST_CHANGED = "trust.changed"
TRUST_REFUSED = "trust.refused"
ADVERT_REFUSED = "advert.refused"

# --------------------------------------------------------------------------------------------------- executor
MODEL_LOADED = "model.loaded"
MODEL_UNLOADED = "model.unloaded"
MODEL_REFUSED = "model.refused"
MODEL_PROFILED = "model.profiled"
MODEL_RETIRED = "model.retired"
"""It is offered no longer; what still needs it is run."""
MODEL_FETCHED = "model.fetched"
MODEL_REMOVED = "model.removed"
MODEL_EVICTED = "model.evicted"
"""An artifact made room for another one."""
MODEL_DAMAGED = "model.damaged"
"""What was found wrong with a model, and what was done about it."""
PROBE_FAILED = "probe.failed"
"""It answered a known question otherwise than when it was admitted."""
STORE_SCRUBBED = "store.scrubbed"
STORE_FAILED = "store.failed"
PREFERENCES_REFUSED = "preferences.refused"
PIECE_REFUSED = "piece.refused"
"""A peer sent other bytes than it was asked for."""
STAGE_FAILED = "stage.failed"
STAGES_ADMITTED = "stages.admitted"
STAGES_REFUSED = "stages.refused"
"""A model that could be cut stays whole here."""

# ------------------------------------------------------------------------------------------------------- mqtt
BROKER_STARTED = "broker.started"
BROKER_CONNECTED = "broker.connected"
BROKER_LOST = "broker.lost"
BROKER_REFUSED = "broker.refused"
POLICY_REFUSED = "policy.refused"
EXPERIENCE_REFUSED = "experience.refused"
"""What requests had taught the policy cannot be read, or written, or was taught under another one."""
EXPERIENCE_RESET = "experience.reset"
MESSAGE_DROPPED = "message.dropped"
OUTBOX_FAILED = "outbox.failed"
OUTBOX_REPLACED = "outbox.replaced"

# ----------------------------------------------------------------------------------------------------- daemon
DAEMON_STARTED = "daemon.started"
DAEMON_DRAINED = "daemon.drained"
DAEMON_STOPPED = "daemon.stopped"
RECORDING_ENDED = "recording.ended"
TASK_FAILED = "task.failed"
LIBRARY_REPORTED = "library.reported"
"""A line that a library wrote to Python's own logging; only warnings and worse come through."""


def get_logger(**fields: object) -> FilteringBoundLogger:
    """Return a logger whose every line carries the given fields."""
    return cast("FilteringBoundLogger", structlog.get_logger(**fields))


def write(lines: Sequence[Line]) -> None:
    """Write lines at once, in order; those below the level are left out."""
    least = _RANKS[_lines.level]
    if loud := [line for line in lines if _RANKS[line.level] >= least]:
        _lines.write(loud)


def configure(*, level: Level = "info", layout: Layout = "auto", stream: TextIO | None = None) -> None:
    """Write logs to a stream (stderr) from now on: JSON lines, or coloured ones where a person watches."""
    out = stream or sys.stderr
    pretty = out.isatty() if layout == "auto" else layout == "console"
    render, factory = _for_people(out) if pretty else _for_machines(out)
    _lines.level = level
    _lines.write = _write_for_people(render, out) if pretty else _write_for_machines(out)
    structlog.configure(
        processors=[*_ENRICH, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,  # Assembling a logger costs more than writing its line.
    )
    root = logging.getLogger()
    root.handlers[:] = [_Forwarder(logging.WARNING)]
    root.setLevel(logging.WARNING)


class _Forwarder(logging.Handler):
    """Turns what libraries say through :mod:`logging` into our own lines, so that one stream has one form."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        write = get_logger().error if record.levelno >= logging.ERROR else get_logger().warning
        write(
            LIBRARY_REPORTED,
            library=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info or False,
        )


def _to_json(event: EventDict, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


def _for_machines(out: TextIO) -> tuple[Processor, Callable[..., Any]]:
    return structlog.processors.JSONRenderer(serializer=_to_json), structlog.BytesLoggerFactory(out.buffer)


def _for_people(out: TextIO) -> tuple[Processor, Callable[..., Any]]:
    render = structlog.dev.ConsoleRenderer(
        colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=20
    )
    return render, structlog.PrintLoggerFactory(out)


def _write_for_machines(out: TextIO) -> Callable[[Sequence[Line]], None]:
    encode = msgspec.json.Encoder().encode_lines

    def write_all(lines: Sequence[Line]) -> None:
        out.buffer.write(encode(lines))
        out.buffer.flush()

    return write_all


def _write_for_people(render: Processor, out: TextIO) -> Callable[[Sequence[Line]], None]:
    def write_all(lines: Sequence[Line]) -> None:
        out.writelines(f"{render(None, line.level, msgspec.to_builtins(line))!s}\n" for line in lines)
        out.flush()

    return write_all


class _Lines:
    """How lines with a form of their own are written; :func:`configure` decides."""

    def __init__(self) -> None:
        self.level: Level = "warning"
        self.write = _write_for_people(structlog.dev.ConsoleRenderer(colors=False), sys.stderr)


_ENRICH: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)

# Until a program configures anything, warnings reach stderr; stdout belongs to data.
structlog.configure(
    processors=[*_ENRICH, structlog.dev.ConsoleRenderer(colors=False)],
    wrapper_class=structlog.make_filtering_bound_logger("warning"),
    logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
)
_lines = _Lines()
