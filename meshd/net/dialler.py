"""One peer to keep a session with: dials until there is one, waits, and dials again when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from meshd import log
from meshd.core.ids import NodeId
from meshd.errors import DuplicateLink, LinkError
from meshd.net.address import Address
from meshd.net.backoff import Backoff
from meshd.net.link import LinkState
from meshd.net.session import Session

STEADY_S = 10.0
"""A session that lasted this long was a good one, and is missed at once. A peer that ends each sooner, because it runs
another release or is at odds with itself, is dialled as seldom as one that does not answer."""


class Dialler:
    """Keeps a session with one node, for as long as ``run`` runs.

    ``dial`` opens a session or raises; ``resting`` tells that none is to be dialled now.
    """

    def __init__(
        self,
        node_id: NodeId,
        *,
        dial: Callable[[NodeId, Address], Awaitable[Session]],
        resting: Callable[[NodeId], bool],
        jitter: Callable[[], float],
    ) -> None:
        self.node_id = node_id
        self.addresses: tuple[Address, ...] = ()
        self.state = LinkState.WAITING
        self.changed_s = monotonic()
        """When the state became what it is, by the steady clock."""
        self.last_error: LinkError | None = None
        self._dial = dial
        self._resting = resting
        self._backoff = Backoff(jitter)
        self._woken = asyncio.Event()
        self._rests = False

    def aim(self, addresses: tuple[Address, ...]) -> None:
        """Dial these addresses from now on, and at once: somebody has seen the peer there."""
        self.addresses = addresses
        self.wake()

    def wake(self) -> None:
        """Try again at once."""
        self._backoff.reset()
        self._woken.set()

    def ended(self, error: LinkError | None, *, lasted_s: float) -> None:
        """Take note that a session with the peer has ended, whichever side had dialled it."""
        self.last_error = error
        if lasted_s >= STEADY_S:
            self.wake()
        elif self._rests:
            self._woken.set()

    async def run(self) -> None:
        """Dial, hold, and dial again until cancelled."""
        while True:
            self._woken.clear()
            if self._resting(self.node_id) or not self.addresses:
                await self._rest()
            elif (session := await self._try_addresses()) is not None:
                await session.closed()
            await self._wait(self._backoff.delay_s())

    async def _rest(self) -> None:
        self._rests = True
        await self._woken.wait()
        self._rests = False

    async def _try_addresses(self) -> Session | None:
        self._change(LinkState.CONNECTING)
        for address in self.addresses:
            try:
                session = await self._dial(self.node_id, address)
            except DuplicateLink:
                return None
            except LinkError as error:
                self._note(error, address)
            else:
                self.last_error = None
                return session
        return None

    async def _wait(self, delay_s: float) -> None:
        self._change(LinkState.WAITING)
        try:
            async with asyncio.timeout(delay_s):
                await self._woken.wait()
        except TimeoutError:
            return

    def _note(self, error: LinkError, address: Address) -> None:
        if str(error) != str(self.last_error or ""):  # One line for each new reason, not one for each try.
            log.get_logger().warning(
                log.LINK_FAILED, address=str(address), node_id=self.node_id, code=error.code, reason=str(error)
            )
        self.last_error = error

    def _change(self, state: LinkState) -> None:
        if self.state is not state:
            self.state = state
            self.changed_s = monotonic()
