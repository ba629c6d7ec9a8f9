"""The plan that is chosen against every plan there is, each of them run: over four speeds of links, for four models."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any, Self

from msgspec import Struct

from meshd.bench.slow_household import CORES, Links, slow_household
from meshd.cli.output import progress
from meshd.cli.view.words import duration
from meshd.client import AsyncClient
from meshd.core.ids import ModelName
from meshd.errors import SetupError
from meshd.plan_document import PlanDocument, PlannedWay, PlanQuestion

RATES_BPS = (2e6, 10e6, 50e6, 200e6)
FAST = ("silero-vad", "ecg-anomaly")
"""Models that run within a millisecond or two, which is what a quota grants at a time: it would slow down nothing of
them but what comes after. So they are compared among devices that are equally strong."""
_WARM_UP = 4
"""Rounds that teach what everything takes and do not count."""
_DEADLINE_S = 30.0
_FAR_BEHIND = 1.5
"""Times the quickest: what took so much longer each time that it was tried is not the best."""
_TRIES = 3
_FEW = 5
_RUNNABLE = {None, "no_gain"}
"""Masks of what can be run when it is asked for by name."""


class TimedPlan(Struct, frozen=True, kw_only=True):
    """One way, as it was predicted in the end and as it was."""

    place: str
    predicted_s: float | None
    """None where it was not among the candidates: the planner saw that another one is better in every way."""
    seconds: float
    """Mean of all runs but the tenth that took longest and the tenth that took least. It is the mean that planners
    predict and that a household waits for; a pause of this machine is nobody's plan."""
    median_s: float
    whole: bool
    """Whether one node does it all."""


class PlanChoice(Struct, frozen=True, kw_only=True):
    """What was chosen for a model over links of one speed, and what would have been best."""

    model: str
    bandwidth_bps: float
    links: Links
    asked: str
    """The node that took the requests."""
    chosen: str
    """The place that most of the requests ran at that named none."""
    best: str
    regret: float
    """Mean time of the plans that those requests took over that of the best, less 1; all are times of plans by name, so
    that like is held against like."""
    over_single: float
    """The same over the best single node: negative where several nodes were quicker."""
    free_s: float
    """The same mean of those requests themselves. Beyond the time of their plan by name, it is what weighing all plans
    takes instead of one."""
    runs: int
    """Of each plan that was not far behind, and of requests that named none."""
    plans: tuple[TimedPlan, ...]

    @property
    def chosen_s(self) -> float:
        """Return what the chosen plan takes by name."""
        return next(plan.seconds for plan in self.plans if plan.place == self.chosen)

    @classmethod
    def of(
        cls,
        document: PlanDocument,
        rate_bps: float,
        links: Links,
        *,
        times: Mapping[str, Sequence[float]],
        free: Mapping[str, Sequence[float]],
    ) -> Self:
        """Hold requests that named no place, by where they ran, against plans by name.

        Raises:
            SetupError: one of the former ran where none of the latter did.
        """
        predicted = {way.place: way.total_s for way in document.looks[0].ways}
        means_s = {place: mean_s(seconds) for place, seconds in times.items() if seconds}
        if untimed := free.keys() - means_s.keys():
            told = f"requests for {document.model} ran as {', '.join(untimed)}, which was never run by name."
            raise SetupError(told, hint="What the mesh offers changed meanwhile; run it again.")
        best = min(means_s, key=means_s.__getitem__)
        single_s = min(seconds for place, seconds in means_s.items() if _is_whole(place))
        chosen_s = fmean(means_s[place] for place, seconds in free.items() for _ in seconds)
        return cls(
            model=document.model,
            bandwidth_bps=rate_bps,
            links=links,
            asked=document.node,
            chosen=max(free, key=lambda place: len(free[place])),
            best=best,
            regret=round(chosen_s / means_s[best] - 1.0, 4),
            over_single=round(chosen_s / single_s - 1.0, 4),
            free_s=round(mean_s([*chain.from_iterable(free.values())]), 6),
            runs=sum(map(len, free.values())),
            plans=tuple(
                TimedPlan(
                    place=place,
                    predicted_s=predicted.get(place),
                    seconds=round(seconds, 6),
                    median_s=round(median(times[place]), 6),
                    whole=_is_whole(place),
                )
                for place, seconds in means_s.items()
            ),
        )


def mean_s(seconds: Sequence[float]) -> float:
    """Return the mean of what is left without the tenth that took longest and the tenth that took least."""
    left_out = len(seconds) // 10
    return fmean(sorted(seconds)[left_out : len(seconds) - left_out])


def _is_whole(place: str) -> bool:
    return "," not in place


async def measure_plans(
    models: Mapping[str, Mapping[str, Any]],
    bundles: Path,
    state: Path,
    *,
    runs: int,
    rates_bps: Sequence[float] = RATES_BPS,
) -> tuple[PlanChoice, ...]:
    """Compare all plans for each model, whose bundles lie in one folder, with the inputs given, at each speed.

    Raises:
        SetupError: the daemons did not come together, or what they chose was never run by name.
    """
    found = []
    for rate_bps in rates_bps:
        around = slow_household(rate_bps=rate_bps, folder=state, models=bundles, names=tuple(models))
        async with around as slow:
            for model, inputs in models.items():
                slow.around.grant({} if model in FAST else CORES)
                found.append(await Comparison(slow.watch, model, inputs).choice(rate_bps, slow.around.links, runs=runs))
                _tell(found[-1])
    return tuple(found)


class Comparison:
    """All ways of one model from one node."""

    def __init__(self, client: AsyncClient, model: str, inputs: Mapping[str, Any]) -> None:
        self._client = client
        self._model = model
        self._inputs = inputs
        self._chance = Random(0)  # noqa: S311  The order of turns is no secret.

    async def warm_up(self, rounds: int = _WARM_UP) -> None:
        """Run every candidate a few times, so that all estimates are of this mesh; which there are may change."""
        for _ in range(rounds):
            for way in await self.ways():
                await self.run(way.place)

    async def ways(self) -> list[PlannedWay]:
        """Return every candidate that can be run now."""
        return [way for way in (await self._document()).looks[0].ways if way.mask in _RUNNABLE]

    async def splits(self) -> list[str]:
        """Return the places of all splits over two nodes, candidates or not."""
        here, *others = (await self._document()).hosts
        own = {tier.artifact: len(tier.stages) for tier in here.hosted}
        return [
            f"{here.name} 0-{cut}, {other.name} {cut}-{own[tier.artifact]}"
            for other in others
            for tier in other.hosted
            if tier.artifact in own
            for cut in range(1, own[tier.artifact])
        ]

    async def choice(self, rate_bps: float, links: Links, *, runs: int) -> PlanChoice:
        """Run each way that may be best in turns with requests that name none, and compare.

        What is chosen and was not worth running so often is run by name from then on.
        """
        await self.warm_up()
        worth = await self._worth_running(runs)
        times: dict[str, list[float]] = {place: [] for place in worth}
        free: dict[str, list[float]] = {}
        for turn in range(runs):
            turns = [*(place for place, often in worth.items() if turn < often), ""]
            self._chance.shuffle(turns)
            for place in turns:
                seconds = await self.run(place)
                if place:
                    times[place].append(seconds)
                    continue
                chosen = await self._chosen()
                free.setdefault(chosen, []).append(seconds)
                if worth.get(chosen, 0) < runs:
                    worth[chosen] = runs
                    times.setdefault(chosen, []).append(await self.run(chosen))
        return PlanChoice.of(await self._document(), rate_bps, links, times=times, free=free)

    async def run(self, place: str) -> float:
        """Ask once for one way, or for whichever is best, and return the seconds until the answer."""
        started = time.perf_counter()
        await self._client.infer(self._model, self._inputs, plan=place, deadline_s=_DEADLINE_S)
        return time.perf_counter() - started

    async def _document(self) -> PlanDocument:
        return await self._client.plan(PlanQuestion(model=ModelName(self._model), deadline_s=_DEADLINE_S))

    async def _worth_running(self, runs: int) -> dict[str, int]:
        """Return how often to run which way: candidates that are far behind a few times, other splits then never."""
        candidates = [way.place for way in await self.ways()]
        others = [place for place in await self.splits() if place not in candidates]
        took_s = {place: min([await self.run(place) for _ in range(_TRIES)]) for place in (*candidates, *others)}
        near_s = _FAR_BEHIND * min(took_s.values())
        often = {place: runs if seconds <= near_s else min(runs, _FEW) for place, seconds in took_s.items()}
        return {place: often[place] for place in took_s if place in candidates or took_s[place] <= near_s}

    async def _chosen(self) -> str:
        """Return the place of what was chosen for the latest request."""
        decision = (await self._client.explain()).decisions[0]
        assert decision.chosen is not None, "it was answered"
        return decision.candidates[decision.chosen].plan.partition(" tier on ")[2]


def _tell(choice: PlanChoice) -> None:
    told = f"{choice.chosen}, {duration(choice.chosen_s)}, {choice.regret:.1%} behind {choice.best}"
    progress(f"{choice.model} at {choice.bandwidth_bps / 1e6:g} Mbit/s: {told}")
