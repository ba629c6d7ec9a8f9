"""What is told about what happened: one canonical line a request, counters, and events for whoever listens."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from meshd import log
from meshd.core.answer import Answer, Outcome
from meshd.core.candidate import WAIT
from meshd.core.ids import NodeId
from meshd.core.membership import Standing
from meshd.core.mesh_view import MeshView
from meshd.core.request import Request
from meshd.daemon.story import story_of
from meshd.documents import ChoiceCounters, Finding, RequestCounters

_EVENT_OF = {
    Standing.ALIVE: log.PEER_RETURNED,
    Standing.SUSPECT: log.PEER_SUSPECTED,
    Standing.DEAD: log.PEER_LOST,
    Standing.LEFT: log.PEER_LEFT,
}

_WRITE_WITHIN_S = 0.05
_MOST_UNWRITTEN = 32
"""Writing so many lines takes 0.2 ms: no longer than a request should have to wait for it."""


class Listener(Protocol):
    """Somebody outside the mesh who wants to know; the MQTT edge is one. Calls return at once."""

    def publish_anomaly(self, event: Mapping[str, Any]) -> object:
        """Tell of an alarm, durably."""
        ...

    def publish_finding(self, event: Mapping[str, Any]) -> object:
        """Tell what was wrong with a model, durably."""
        ...


class Chronicle:
    """Writes the story of this node."""

    def __init__(self, view: MeshView, listener: Listener | None) -> None:
        self._view = view
        self._listener = listener
        self._log = log.get_logger()
        self._started_s = time.monotonic()
        self._discovered_s: dict[NodeId, float] = {}
        self._unwritten: list[tuple[datetime, Request, Outcome, Sequence[str]]] = []
        self._loop = asyncio.get_running_loop()
        self._completed = 0
        self._failed = 0
        self._degraded = 0
        self._escalated = 0
        self._asked = self._waits = self._moved = 0
        self._guarded: Counter[str] = Counter()

    def counters(self, alive: int) -> RequestCounters:
        """Return how many requests ended in which way."""
        return RequestCounters(
            submitted=self._completed + self._failed + alive,
            completed=self._completed,
            failed=self._failed,
            degraded=self._degraded,
            escalated=self._escalated,
            alive=alive,
        )

    @property
    def choices(self) -> ChoiceCounters:
        """Return what the policy has answered."""
        return ChoiceCounters(asked=self._asked, waits=self._waits, guarded=dict(self._guarded), moved=self._moved)

    def chose(self, index: int, *, guarded: str = "", is_moved: bool = False) -> None:
        """Count one answer of the policy; ``guarded`` is the reason why it was the heuristic's.

        ``is_moved``: whether experience made it another.
        """
        self._asked += 1
        self._waits += index == WAIT
        self._moved += is_moved
        if guarded:
            self._guarded[guarded] += 1

    def finished(self, request: Request, outcome: Outcome, codecs: Sequence[str] = ()) -> None:
        """Count one request, write its line soon, and pass an alarm on; ``codecs`` tell how it was sent to peers."""
        if isinstance(outcome, Answer):
            self._count(outcome)
            if outcome.anomalous and not request.delegated and self._listener is not None:
                self._listener.publish_anomaly(self._alarm(request, outcome))
        else:
            self._failed += 1
        self._write_soon(request, outcome, codecs)

    def found(self, finding: Finding) -> None:
        """Pass on what was wrong with a model, and what was done about it."""
        if self._listener is not None:
            self._listener.publish_finding({**msgspec.to_builtins(finding), "node": self._view.own.profile.name})

    def standing_changed(self, node_id: NodeId, standing: Standing) -> None:
        """Tell that a peer came, went or fell silent."""
        if standing is Standing.ALIVE:
            self._discovered_s.setdefault(node_id, time.monotonic() - self._started_s)
        peer = self._view.peer(node_id)
        write = self._log.info if standing in {Standing.ALIVE, Standing.LEFT} else self._log.warning
        write(_EVENT_OF[standing], node_id=node_id, node=peer.profile.name if peer else None)

    def discovered_s(self, node_id: NodeId) -> float | None:
        """Return the seconds from this daemon's start until the peer was first alive."""
        return self._discovered_s.get(node_id)

    def close(self) -> None:
        """Write what is still to be written."""
        log.write([story_of(*ended) for ended in self._unwritten])
        self._unwritten = []

    def _write_soon(self, request: Request, outcome: Outcome, codecs: Sequence[str]) -> None:
        """Write a line together with those that follow it closely, after the answers: nobody waits for it."""
        self._unwritten.append((datetime.now(UTC), request, outcome, codecs))
        if len(self._unwritten) == 1:
            self._loop.call_later(_WRITE_WITHIN_S, self.close)
        elif len(self._unwritten) >= _MOST_UNWRITTEN:
            self.close()

    def _count(self, answer: Answer) -> None:
        self._completed += 1
        self._degraded += answer.degraded
        self._escalated += answer.escalations > 0

    def _alarm(self, request: Request, answer: Answer) -> dict[str, Any]:
        return {
            "id": request.request_id,
            "request_id": request.request_id,
            "model": answer.model,
            "tier": answer.tier.value,
            "score": answer.score,
            "confidence": answer.confidence,
            "degraded": answer.degraded,
            "route": [hop.node for hop in answer.route],
            "node": self._view.own.profile.name,
        }
