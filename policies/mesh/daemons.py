"""A watch, a phone and a hub as processes on this machine's loopback, and a client of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd.client import AsyncClient, Result
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass, NodeProfile
from meshd.demo.household import Household
from meshd.documents import StatusDocument
from meshd.errors import LinkError, RequestError
from meshd.plan_document import PlanQuestion
from policies.mesh.form import Form
from policies.mesh.question import HOUSEHOLD, MODEL, Heard, Question, Run
from policies.mesh.stand_in import INPUT, StandIn
from policies.mesh.windows import Windows

_INPUT = "ecg"
_PATIENCE_S = 120.0
"""Stand-ins are tried before they are hosted, on a machine that may have other work."""

Tell = Callable[[int, int], None]
"""Hears how many questions of how many have been asked."""


class Daemons:
    """A household that plays loads."""

    def __init__(self, household: Household, windows: Windows, stand_ins: Iterable[StandIn] = ()) -> None:
        self._household = household
        self._windows = windows
        self._items = {one.model: one.item for one in stand_ins}

    async def profile(self, name: DeviceClass, model: ModelName = MODEL) -> NodeProfile:
        """Return what a node announces by now, of its tiers that of one model, with times as it has learned them."""
        document = await self._client(name).plan(PlanQuestion(model=model))
        profile = document.hosts[0]
        return replace(profile, hosted=tuple(tier for tier in profile.hosted if tier.model == model))

    async def manifest(self) -> str:
        """Return what the model says of itself, as TOML."""
        return (await self._client(HOUSEHOLD[0]).manifest(MODEL)).text

    async def status(self, name: DeviceClass) -> StatusDocument:
        """Return how a node is."""
        return await self._client(name).status()

    async def ask(self, question: Question, number: int = 0, *, began_s: float = 0.0) -> Heard:
        """Ask one question now, and wait for its end."""
        inputs = self._inputs(question)
        sent_s = perf_counter()
        try:
            result = await self._client(question.node).infer(
                question.model,
                inputs,
                deadline_s=question.deadline_s,
                priority=question.priority,
                privacy=question.privacy,
                min_tier=question.min_tier,
                plan=question.place,
            )
        except (RequestError, LinkError) as error:
            return Heard(number=number, sent_s=sent_s - began_s, seconds=perf_counter() - sent_s, code=error.code)
        return _heard(result, number, sent_s - began_s, perf_counter() - sent_s)

    async def play(self, load: Sequence[Question], tell: Tell = lambda _n_asked, _n_all: None) -> list[Heard]:
        """Ask every question of a load at its time, whatever has become of those before; return how each ended."""
        began_s = perf_counter()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number, question in enumerate(load):
                await asyncio.sleep(max(0.0, began_s + question.at_s - perf_counter()))
                tasks.append(group.create_task(self.ask(question, number, began_s=began_s)))
                tell(number + 1, len(load))
        return [task.result() for task in tasks]

    def _inputs(self, question: Question) -> dict[str, NDArray[Any]]:
        if question.model == MODEL:
            return {_INPUT: self._windows[question.window : question.window + question.items]}
        return {INPUT: np.repeat(self._items[question.model], question.items, axis=0)}

    def _client(self, name: DeviceClass) -> AsyncClient:
        return self._household.client(name)


@asynccontextmanager
async def daemons(
    form: Form, windows: Windows, folder: Path | None = None, *, stand_ins: tuple[StandIn, ...] = ()
) -> AsyncIterator[Daemons]:
    """Start a household of this form, wait until all see each other and host what they are to, and end it.

    Raises:
        SetupError: they did not come together.
    """
    async with Household(folder, places={name: form.place(name) for name in HOUSEHOLD}) as household:
        hosts = {MODEL: len(HOUSEHOLD), **{one.model: len(one.seconds) for one in stand_ins}}
        await household.meet(hosts, patience_s=_PATIENCE_S)
        yield Daemons(household, windows, stand_ins)


def _heard(result: Result, number: int, sent_s: float, seconds: float) -> Heard:
    outputs: dict[str, NDArray[Any]] = result.outputs
    return Heard(
        number=number,
        sent_s=sent_s,
        seconds=seconds,
        runs=tuple(
            Run(node=DeviceClass(hop.node), compute_s=hop.compute_s, items=hop.items, codec=hop.codec, score=hop.score)
            for hop in result.route
        ),
        joules=result.energy.joules,
        queue_s=result.timings.queue_s,
        answer_bytes=sum(array.nbytes for array in outputs.values()),
    )
