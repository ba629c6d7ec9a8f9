"""Questions of clients that wait for their turn: they leave the event loop to requests at least half of the time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

from meshd.errors import Overloaded
from meshd.net.session import Session, State
from meshd.wire.messages import Query

MOST_OF_ONE = 64
"""Questions that wait for one client; one of `meshd plan` takes up to 20 ms."""


class Questions:
    """Answers them in the order in which they came, each in a turn of the loop of its own."""

    def __init__(self, answer: Callable[[Session, Query], None]) -> None:
        self._answer = answer
        self._waiting: deque[tuple[Session, Query]] = deque()
        self._is_at_it = False

    def ask(self, session: Session, query: Query) -> None:
        """Let a question wait for its turn.

        Raises:
            Overloaded: too many of this client wait already.
        """
        if sum(asker is session for asker, _ in self._waiting) >= MOST_OF_ONE:
            raise Overloaded(f"{MOST_OF_ONE} questions of this session wait already.", hint="Wait for the answers.")
        self._waiting.append((session, query))
        if not self._is_at_it:
            self._is_at_it = True
            asyncio.get_running_loop().call_soon(self._answer_first)

    def _answer_first(self) -> None:
        session, query = self._waiting.popleft()
        since_s = perf_counter()
        try:
            if session.state is State.OPEN:
                self._answer(session, query)
        finally:
            self._is_at_it = bool(self._waiting)
            if self._is_at_it:
                asyncio.get_running_loop().call_later(perf_counter() - since_s, self._answer_first)
