"""Plays a stream through the watch, several windows in flight, and judges the same windows by one tier alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from uuid import uuid4

from meshd.client import AsyncClient, Result
from meshd.core.node import DeviceClass
from meshd.core.request import Privacy
from meshd.demo.scoreboard import Scoreboard, Verdict
from meshd.demo.stream import Stream
from meshd.errors import LinkError, RequestError

MODEL = "ecg-anomaly"
INPUT = "ecg"
IN_FLIGHT = 16
DEADLINE_S = 5.0
"""Long enough for a device that vanishes in mid-request to be noticed and replaced."""
_SILENCE_S = DEADLINE_S + 0.5
"""A daemon ends every request by its deadline; one that has said nothing by now has lost it."""


class Player:
    """Sends windows to one device and books what becomes of them."""

    def __init__(self, stream: Stream, watch: AsyncClient, scoreboard: Scoreboard) -> None:
        self._stream = stream
        self._watch = watch
        self._scoreboard = scoreboard
        self._run = uuid4().hex[:8]

    def request_id(self, number: int) -> str:
        """Return the id of the request for the n-th window played."""
        return f"demo-{self._run}-{number}"

    async def play(self, *, windows_per_s: float | None, duration_s: float | None) -> None:
        """Play for a time, or the whole stream once; at a rate, or as fast as the mesh answers."""
        started_s = time.monotonic()
        free = asyncio.Semaphore(IN_FLIGHT)
        async with asyncio.TaskGroup() as group:
            number = 0
            while self._goes_on(number, time.monotonic() - started_s, duration_s):
                await free.acquire()
                group.create_task(self._one(number)).add_done_callback(lambda _: free.release())
                number += 1
                due_s = started_s + number / windows_per_s if windows_per_s else 0.0
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def judge(self, windows: Iterable[int], *, tier: DeviceClass) -> dict[int, Verdict]:
        """Return what one tier alone says of each window, asked through the mesh like any other question.

        The watch is held to its own opinion by ``privacy=device``, the hub is demanded as the weakest tier allowed.
        A window that got no answer is left out.
        """
        privacy = Privacy.DEVICE if tier is DeviceClass.WATCH else Privacy.HOUSEHOLD
        asked = sorted(windows)
        inputs = ({INPUT: self._stream.windows[window][None]} for window in asked)
        answers = self._watch.infer_many(MODEL, inputs, deadline_s=DEADLINE_S, privacy=privacy, min_tier=tier)
        verdicts: dict[int, Verdict] = {}
        for window in asked:
            try:
                answer = await anext(answers)
            except LinkError:  # The watch has gone, and with it whoever else it could ask.
                break
            if isinstance(answer, Result):
                verdicts[window] = answer.answer.anomalous
        return verdicts

    def _goes_on(self, number: int, elapsed_s: float, duration_s: float | None) -> bool:
        return number < len(self._stream) if duration_s is None else elapsed_s < duration_s

    async def _one(self, number: int) -> None:
        window = number % len(self._stream)
        started_s = time.monotonic()
        self._scoreboard.submit()
        try:
            result = await self._watch.infer(
                MODEL,
                {INPUT: self._stream.windows[window][None]},
                deadline_s=DEADLINE_S,
                request_id=self.request_id(number),
            )
        except LinkError:
            self._scoreboard.lose()
        except RequestError as error:
            if time.monotonic() - started_s > _SILENCE_S:
                self._scoreboard.lose()
            else:
                self._scoreboard.fail(error.code)
        else:
            self._scoreboard.answer(window, result.answer, time.monotonic() - started_s)
