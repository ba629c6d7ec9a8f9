"""One artifact's pieces on their way here, from several sources at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from meshd.daemon.models.source import REST_S, Source
from meshd.errors import MeshError, NotLent, Overloaded
from model_registry.pieces import PieceMap

Keep = Callable[[dict[int, bytes], str], Awaitable[None]]
"""Takes verified pieces and the name of who gave them; no more are asked of that one until it is done with them."""

WINDOW = 2
"""Questions out at each source: while one answer is verified and written, the next one travels.

Source: docs/decisions/0015-fetching.md.
"""
LOOK_S = 1.0
"""How soon a peer that has come meanwhile is asked too."""
BACKOFF_S = 0.25
MOST_REFUSALS = 20
"""A source that is too busy for so many times running is left for later."""


class Gathering:
    """The pieces that are still to come, and who is not worth asking for them any more."""

    def __init__(self, sha256: str, piece_map: PieceMap, indices: Iterable[int], keep: Keep) -> None:
        self.todo = sorted(set(indices), reverse=True)
        self.failed: set[Source] = set()
        self._sha256 = sha256
        self._map = piece_map
        self._keep = keep

    async def run(self, holders: Callable[[], Iterable[Source]]) -> None:
        """Draw from all holders at once, newcomers included, until everything has come or nobody is left."""
        drawing: dict[asyncio.Task[None], Source] = {}
        try:
            while self.todo or drawing:
                idle = {*holders()} - self.failed - {*drawing.values()} if self.todo else ()
                drawing |= {
                    asyncio.create_task(self._draw_from(source)): source for source in idle for _ in range(WINDOW)
                }
                if not drawing:
                    return
                done, _ = await asyncio.wait(drawing, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del drawing[task]
                    task.result()
        finally:
            for task in drawing:
                task.cancel()
            await asyncio.gather(*drawing, return_exceptions=True)

    async def _draw_from(self, source: Source) -> None:
        """Ask one source for one run of pieces after the other, until nothing is left or it fails."""
        refusals = 0
        while self.todo and source not in self.failed:
            run = self._take(source.pace.batch_bytes)
            try:
                pieces = await self._asked(source, run)
            except Overloaded:
                self._put_back(run)
                refusals += 1
                if refusals > MOST_REFUSALS:
                    self._give_up(source, REST_S)
                else:
                    await asyncio.sleep(BACKOFF_S)
            except MeshError:  # It is gone, did not answer, does not lend this, or lied.
                self._put_back(run)
                self._give_up(source)
            else:
                refusals = 0
                self._put_back([index for index in run if index not in pieces])
                await self._keep(pieces, source.name)

    async def _asked(self, source: Source, run: Sequence[int]) -> dict[int, bytes]:
        """Return the first pieces of a run, one at least, verified."""
        payload = await source.ask("pieces", self._sha256, first=run[0], count=len(run))
        pieces = await asyncio.to_thread(self._verified, run, payload)
        if not pieces:
            source.lied(f"it sent {len(payload)} other bytes than pieces {run[0]} to {run[-1]} of {self._sha256[:12]}")
            raise NotLent(f"{source.name} does not have what it says.")
        return pieces

    def _verified(self, run: Sequence[int], payload: memoryview) -> dict[int, bytes]:
        """Cut an answer into its pieces; none when it is not exactly the first ones of the run."""
        pieces, start = {}, 0
        for index in run:
            if start == len(payload):
                break
            _, length = self._map.extent(index)
            content = bytes(payload[start : start + length])
            if not self._map.matches(index, content):
                return {}
            pieces[index] = content
            start += length
        return pieces if start == len(payload) else {}

    def _take(self, n_bytes: int) -> list[int]:
        """Take the next run of neighbouring pieces, not longer than so many bytes unless one is."""
        _, length = self._map.extent(0)
        run = [self.todo.pop()]
        while self.todo and self.todo[-1] == run[-1] + 1 and (len(run) + 1) * length <= n_bytes:
            run.append(self.todo.pop())
        return run

    def _put_back(self, run: Collection[int]) -> None:
        if run:
            self.todo = sorted({*self.todo, *run}, reverse=True)

    def _give_up(self, source: Source, rest_s: float = 0.0) -> None:
        self.failed.add(source)
        source.rest(rest_s)
