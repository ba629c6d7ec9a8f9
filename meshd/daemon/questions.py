"""Questions of clients that wait for their turn: they leave the event loop to requests at least half of the time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TypeVar

from meshd.errors import Overloaded
from meshd.net.session import Session, State
from meshd.wire.messages import Query

MOST_OF_ONE = 64
"""Questions that wait for one client; one of `meshd plan` takes up to 20 ms, in steps of one or two."""


_Asker = TypeVar("_Asker")
_Waiting = TypeVar("_Waiting")


class Questions:
    """Has them answered in steps, each in a turn of the loop of its own; those who wait take turns as well.

    The turns are the owners', and the sessions of one owner take turns within them: more sessions give no more turns.
    ``answer`` begins to answer a question; every item that is drawn from what it returns is a step.
    """

    def __init__(self, answer: Callable[[Session, Query], Iterator[None]]) -> None:
        self._answer = answer
        self._waiting: dict[str, dict[Session, deque[Iterator[None]]]] = {}
        """By the owner and the session of who asked; whose turn it is comes first in both."""
        self._is_at_it = False

    def ask(self, session: Session, query: Query) -> None:
        """Let a question wait for its turn.

        Raises:
            Overloaded: too many of this client wait already.
        """
        waiting = self._waiting.setdefault(session.owner, {}).setdefault(session, deque())
        if len(waiting) >= MOST_OF_ONE:
            raise Overloaded(f"{MOST_OF_ONE} questions of this session wait already.", hint="Wait for the answers.")
        waiting.append(self._answer(session, query))
        if not self._is_at_it:
            self._is_at_it = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Take one step for whoever's turn it is."""
        owner, sessions = _next_turn(self._waiting)
        session, waiting = _next_turn(sessions)
        since_s = perf_counter()
        try:
            if session.state is State.OPEN:
                _take_step(waiting)
            else:
                waiting.clear()
        finally:
            if not waiting:
                del sessions[session]
            if not sessions:
                del self._waiting[owner]
            self._is_at_it = bool(self._waiting)
            if self._is_at_it:
                asyncio.get_running_loop().call_later(perf_counter() - since_s, self._go_on)


def _next_turn(waiting: dict[_Asker, _Waiting]) -> tuple[_Asker, _Waiting]:
    """Return who has waited for a turn the longest; behind this one come all others first."""
    asker = next(iter(waiting))
    waiting[asker] = found = waiting.pop(asker)
    return asker, found


def _take_step(waiting: deque[Iterator[None]]) -> None:
    """Go on with the first question; one that is answered, or met a defect, waits no longer."""
    first = waiting.popleft()
    for _ in first:
        waiting.appendleft(first)
        return
