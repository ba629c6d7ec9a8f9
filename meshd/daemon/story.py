"""The canonical line of a request: ``request.finished`` with its whole story."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from meshd import log
from meshd.core.answer import Answer, Failure, Hop, Outcome
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy, Request


class Story(log.Line, frozen=True, kw_only=True):
    """What every request has to tell."""

    request_id: str
    model: str
    priority: Priority
    privacy: Privacy
    deadline_ms: float
    delegated: bool
    outcome: str


class Answered(Story, frozen=True, kw_only=True):
    """A request that got an answer."""

    tier: DeviceClass
    anomalous: bool | None
    score: float | None
    escalations: int
    route: list[str]
    """``node:tier`` of every run, with ``:first-last`` where it was some stages."""
    codecs: list[str]
    """How tensors travelled from here to peers, in the order in which they were sent."""
    queue_ms: float
    compute_ms: float
    transfer_ms: float
    total_ms: float
    energy_mj: float
    energy_estimated: bool


class Failed(Story, frozen=True, kw_only=True):
    """A request that got none."""

    code: str
    reason: str


def story_of(at: datetime, request: Request, outcome: Outcome, codecs: Sequence[str] = ()) -> Story:
    """Tell how a request ended."""
    return _answered(at, request, outcome, codecs) if isinstance(outcome, Answer) else _failed(at, request, outcome)


def _answered(at: datetime, request: Request, answer: Answer, codecs: Sequence[str]) -> Answered:
    timings, energy = answer.timings, answer.energy
    return Answered(
        **_asked(at, request),
        level="info",
        outcome="degraded" if answer.degraded else "answered",
        tier=answer.tier,
        anomalous=answer.anomalous,
        score=answer.score,
        escalations=answer.escalations,
        route=[_run(hop) for hop in answer.route],
        codecs=list(codecs),
        queue_ms=timings.queue_s * 1e3,
        compute_ms=timings.compute_s * 1e3,
        transfer_ms=timings.transfer_s * 1e3,
        total_ms=timings.total_s * 1e3,
        energy_mj=energy.joules * 1e3,
        energy_estimated=energy.estimated,
    )


def _asked(at: datetime, request: Request) -> dict[str, Any]:
    """Return what both lines tell of a request, however it ended."""
    return {
        "event": log.REQUEST_FINISHED,
        "timestamp": at,
        "request_id": request.request_id,
        "model": request.model,
        "priority": request.priority,
        "privacy": request.privacy,
        "deadline_ms": request.deadline_s * 1e3,
        "delegated": request.delegated,
    }


def _run(hop: Hop) -> str:
    stages = f":{hop.stages[0]}-{hop.stages[1]}" if hop.stages else ""
    return f"{hop.node}:{hop.tier.value}{stages}"


def _failed(at: datetime, request: Request, failure: Failure) -> Failed:
    return Failed(
        **_asked(at, request),
        level="warning",
        outcome="failed",
        code=failure.code,
        reason=failure.message,
    )
