"""Somebody who can be asked for models by their hashes: a peer, or a client that brings one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Literal
from uuid import uuid4

from typing_extensions import Buffer

from meshd import log
from meshd.daemon.models.pace import Pace
from meshd.errors import MeshError, NotLent, PeerLost, from_code
from meshd.wire.messages import Fetch, Fetched, Inventory, Message, Refusal

Subject = Literal["manifest", "piece_map", "pieces"]
Send = Callable[[Message], bool]

PATIENCE_S = 15.0
"""As long as a session waits for the other side to read; a peer that is gone is noticed by its silence much earlier."""
REST_S = 30.0
"""A peer that did not answer is left alone for so long: it may be asleep."""
SHUN_S = 600.0
"""A peer that sent other bytes than its hashes promise has a broken disk or worse; asking it sooner wastes the link."""


class Source:
    """One side of a session that is asked, and what is known of it. Belongs to the event loop's thread."""

    def __init__(self, name: str, send: Send, *, patience_s: float = PATIENCE_S) -> None:
        self.name = name
        self.inventory = Inventory()
        self.pace = Pace()
        self.rests_until_s = 0.0
        """On the steady clock; until then it is not asked."""
        self._send = send
        self._patience_s = patience_s
        self._asked: dict[str, asyncio.Future[memoryview]] = {}

    @property
    def is_willing(self) -> bool:
        """Tell whether it may be asked now."""
        return monotonic() >= self.rests_until_s

    def holds(self, sha256: str) -> bool:
        """Tell whether it says that it has an artifact, or a manifest."""
        return sha256 in self.inventory.artifacts or any(offer.manifest == sha256 for offer in self.inventory.offers)

    async def ask(self, subject: Subject, sha256: str, *, first: int = 0, count: int = 1) -> memoryview:
        """Ask for something and wait for it; nothing of it is to be believed yet.

        Raises:
            NotLent: it does not have it, or does not lend it.
            Overloaded: it lends to too many already; it may be asked again.
            PeerLost: it is gone, or did not answer in time.
        """
        request_id = f"fetch-{uuid4().hex}"
        answer: asyncio.Future[memoryview] = asyncio.get_running_loop().create_future()
        self._asked[request_id] = answer
        started_s = monotonic()
        try:
            if not self._send(Fetch(request_id=request_id, subject=subject, sha256=sha256, first=first, count=count)):
                raise PeerLost(f"{self.name} is not there any more.")
            async with asyncio.timeout(self._patience_s):
                content = await answer
        except TimeoutError:
            self.rest(REST_S)
            raise PeerLost(f"{self.name} did not answer within {self._patience_s:g} s.") from None
        finally:
            del self._asked[request_id]
        self.pace.took(len(content), monotonic() - started_s)
        return content

    def answered(self, message: Fetched | Refusal, payload: Buffer) -> bool:
        """Take an answer in; tell whether it was one to a question of ours."""
        answer = self._asked.get(message.request_id)
        if answer is None:
            return False
        if not answer.done():
            if isinstance(message, Fetched):
                answer.set_result(memoryview(payload))
            else:
                answer.set_exception(_why_not(message))
        return True

    def lost(self) -> None:
        """Let nobody wait for it any more."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(PeerLost(f"{self.name} is gone."))

    def lied(self, sentence: str) -> None:
        """Ask it for nothing for a while, and say why."""
        log.get_logger().warning(log.PIECE_REFUSED, peer=self.name, reason=sentence)
        self.rest(SHUN_S)

    def rest(self, seconds: float) -> None:
        """Ask it for nothing for so long."""
        self.rests_until_s = max(self.rests_until_s, monotonic() + seconds)


def _why_not(refusal: Refusal) -> MeshError:
    error = from_code(refusal.code, refusal.message)
    return error if error.retryable else NotLent(str(error))
