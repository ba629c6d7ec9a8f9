"""The two accounts of a session: what the other side may ask for here, and what this side may ask for there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from meshd.errors import DuplicateRequest, Overloaded, ProtocolError
from meshd.net.credit import Allowance, Loan
from meshd.wire.messages import Cancel, Credit, Infer, Message, Refusal, Result

MOST_OVERSTEPS = 16
"""Requests beyond the credit that are refused one by one; whoever sends more does not listen."""


class Accounts:
    """Keeps both from the messages that pass. What has to be told to the other side goes to ``tell``."""

    def __init__(self, window_bytes: int, *, tell: Callable[[Message], object]) -> None:
        self._loan = Loan(window_bytes)
        self.allowance = Allowance()
        """What this side may send."""
        self._tell = tell
        self._oversteps = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._is_closed = False

    def tell_grant(self) -> None:
        """Tell the other side what it may send in total by now."""
        self._tell(Credit(payload_bytes=self._loan.granted_bytes))

    def withdrawn(self, payload_bytes: int) -> None:
        """Take back the charge for a request of which the other side will never hear."""
        self.allowance.give_back(payload_bytes)
        self._changed.set()

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._is_closed = True
        self._changed.set()

    def received(self, message: Message, payload_bytes: int) -> bool:
        """Take note of a message that came; tell whether anybody else needs to hear of it.

        Raises:
            ProtocolError: the other side goes on asking for more than it may.
        """
        match message:
            case Infer():
                return self._loan.take(message.request_id, payload_bytes) or self._overstepped(message)
            case Cancel():
                if self._loan.settle(message.request_id):
                    self.tell_grant()
            case Credit():
                self.allowance.grant(message.payload_bytes)
                self._changed.set()
                return False
        return True

    def answered(self, answer: Result | Refusal) -> None:
        """Give back what the request cost; what is refused because its id is in use ends no more than itself."""
        is_duplicate = type(answer) is Refusal and answer.code == DuplicateRequest.code
        if self._loan.settle(answer.request_id, only_last=is_duplicate):
            self.tell_grant()

    async def afforded(self, payload_bytes: int) -> None:
        """Wait, behind those who wait already, until this side may send a request or the session has ended."""
        if self.allowance.covers(payload_bytes) and not self._turn.locked():
            return
        async with self._turn:
            while not (self._is_closed or self.allowance.covers(payload_bytes)):
                self._changed.clear()
                await self._changed.wait()

    def _overstepped(self, infer: Infer) -> bool:
        self._oversteps += 1
        if self._oversteps > MOST_OVERSTEPS:
            raise ProtocolError("the other side goes on asking for more than it has credit for.")
        refused = Overloaded("this session has no credit for the request.", hint="Wait for earlier ones to end.")
        self._tell(Refusal(request_id=infer.request_id, code=refused.code, message=str(refused)))
        return False
