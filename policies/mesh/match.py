"""Two policies on the same load: on real daemons in turns, and in the simulator that was fitted to these."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from meshd.documents import ChoiceCounters
from policies.evaluation.contender import Contender
from policies.mesh.bundles import write_bundles
from policies.mesh.calibration import Calibration, StandInFit, calibrated
from policies.mesh.daemons import Daemons, daemons
from policies.mesh.question import HOUSEHOLD, MODEL, Heard, Question
from policies.mesh.recording import Stage, Wishes, timed
from policies.mesh.rehearsal import rehearsed
from policies.mesh.replayed import cast_of, form_of, load_of
from policies.mesh.reward import Gain, Parts, Prices, mean_of_rounds, realised, simulated
from policies.mesh.stand_in import StandIn, stand_ins_of
from policies.mesh.stand_in_timings import fit_stand_ins, lessons_of
from policies.mesh.timings import Timings
from policies.mesh.windows import Windows, shipped_windows
from policies.scenario import Scenario

SIDES = ("ours", "theirs")


class Terms(Struct, frozen=True, kw_only=True):
    """How a match is played."""

    policies: tuple[str, str]
    """Ours and theirs, as ``scheduler.policy`` takes them."""
    speed_up: float = 1.0
    lasts_s: float = 120.0
    """Of one round."""
    rounds: int = 2
    wishes: Wishes = Wishes(repeats=2)
    """Of the calibration load, which also warms both sides up."""


class Side(Struct, frozen=True, kw_only=True):
    """What came of one policy."""

    policy: str
    cost: Parts
    """Realised, of a request; less is better."""
    simulated_cost: Parts
    p50_ms: float
    """Of those that were answered."""
    missed: float
    """Share of requests."""
    choices: ChoiceCounters
    """What the policies of its daemons were asked, all together."""


class Match(Struct, frozen=True, kw_only=True):
    """What came of both."""

    world: str
    speed_up: float
    n_requests: int
    """Of one round."""
    n_rounds: int
    ours: Side
    theirs: Side
    gain: Gain
    """Of ours over theirs, in the mesh."""
    simulated_gain: Gain


class Book(Struct, frozen=True, kw_only=True):
    """Counts what a load has cost, request by request, in its order."""

    scenario: Scenario
    """Whose prices count."""
    lessons: tuple[Question, ...]
    """What was asked before, and has taught the daemons."""
    load: tuple[Question, ...]
    calibration: Calibration

    @classmethod
    def of(
        cls, scenario: Scenario, load: tuple[Question, ...], timings: Timings, stand_ins: tuple[StandInFit, ...]
    ) -> Self:
        """Return the book by what one household took: it and the other are alike but for who chooses."""
        lessons = timings.lessons
        return cls(
            scenario=scenario,
            lessons=(*lessons, *lessons_of(stand_ins, from_s=lessons[-1].at_s)),
            load=load,
            calibration=replace(calibrated(timings, MODEL), stand_ins=stand_ins),
        )

    @property
    def prices(self) -> Prices:
        """Return what seconds, joules and misses cost."""
        return Prices(settings=self.scenario.settings, missed_anomaly_joules=self.scenario.missed_anomaly_joules)

    def real(self, rounds: Sequence[Sequence[Heard]]) -> list[Parts]:
        """Return the cost in the mesh, in the mean of all rounds."""
        return mean_of_rounds([realised(self.load, heard, self.calibration, self.prices) for heard in rounds])

    def simulated(self, policy: str) -> list[Parts]:
        """Return the cost in the simulator, every node having the policy."""
        contender = Contender(name=policy)
        rehearsal = rehearsed(
            self.calibration,
            self.lessons,
            self.load,
            lambda: contender.policy(self.scenario.family),
            settings=self.prices.settings,
            missed_anomaly_joules=self.prices.missed_anomaly_joules,
        )
        return simulated(self.load, rehearsal, self.prices)


class _Outcome(Struct, frozen=True, kw_only=True):
    """All that is known of one side."""

    real: list[Parts]
    simulated: list[Parts]
    rounds: list[list[Heard]]
    choices: ChoiceCounters


async def play_match(scenario: Scenario, terms: Terms, stage: Stage, folder: Path | None = None) -> Match:
    """Play a scenario's arrivals on two households that differ in nothing but the policy.

    What they keep lies in ``ours`` and ``theirs`` of the folder, if there is one.

    Raises:
        SetupError: the daemons did not come together.
        PoliciesError: the scenario cannot stand for a household of three.
    """
    windows, is_anomaly = shipped_windows(terms.wishes.n_windows)
    load = load_of(scenario, speed_up=terms.speed_up, lasts_s=terms.lasts_s, n_windows=len(windows))
    stand_ins = stand_ins_of(scenario, cast_of(scenario))
    async with _households(scenario, terms, windows, stand_ins, folder) as sides:
        timings = [await timed(side, windows, is_anomaly, terms.wishes, stage) for side in sides]
        fits = [await fit_stand_ins(side, stand_ins, stage("stand-ins, each at its node")) for side in sides]
        played = await _played(sides, load, terms.rounds, stage)
    book = Book.of(scenario, load, timings[1], fits[1])
    ours, theirs = (
        _Outcome(real=book.real(rounds), simulated=book.simulated(policy), rounds=rounds, choices=choices)
        for policy, (rounds, choices) in zip(terms.policies, played, strict=True)
    )
    return Match(
        world=scenario.name,
        speed_up=terms.speed_up,
        n_requests=len(load),
        n_rounds=terms.rounds,
        ours=_side(terms.policies[0], ours),
        theirs=_side(terms.policies[1], theirs),
        gain=Gain.of(ours.real, theirs.real),
        simulated_gain=Gain.of(ours.simulated, theirs.simulated),
    )


@asynccontextmanager
async def _households(
    scenario: Scenario, terms: Terms, windows: Windows, stand_ins: tuple[StandIn, ...], folder: Path | None
) -> AsyncIterator[list[Daemons]]:
    """Start a household for each policy, ours before theirs, and end both."""
    scenario_s = terms.lasts_s * terms.speed_up
    async with AsyncExitStack() as homes:
        models = Path(homes.enter_context(TemporaryDirectory(prefix="models-")))
        write_bundles(stand_ins, models)
        forms = [form_of(scenario, policy=policy, lasts_s=scenario_s, models=models) for policy in terms.policies]
        folders = [folder / name if folder else None for name in SIDES]
        yield [
            await homes.enter_async_context(daemons(form, windows, kept, stand_ins=stand_ins))
            for form, kept in zip(forms, folders, strict=True)
        ]


async def _played(
    sides: Sequence[Daemons], load: Sequence[Question], n_rounds: int, stage: Stage
) -> list[tuple[list[list[Heard]], ChoiceCounters]]:
    """Return what each side gave in each round, and what its policies were asked meanwhile."""
    before = [await _choices(side) for side in sides]
    heard = await _play_rounds(sides, load, n_rounds, stage)
    choices = [_since(await _choices(side), earlier) for side, earlier in zip(sides, before, strict=True)]
    return list(zip(heard, choices, strict=True))


async def _play_rounds(
    sides: Sequence[Daemons], load: Sequence[Question], n_rounds: int, stage: Stage
) -> list[list[list[Heard]]]:
    """Return what each side gave in each round; who begins alternates."""
    heard: list[list[list[Heard]]] = [[] for _ in sides]
    for number in range(n_rounds):
        order = list(range(len(sides)))
        for place in order if number % 2 == 0 else reversed(order):
            heard[place].append(await sides[place].play(load, stage(f"round {number + 1}, {SIDES[place]}")))
    return heard


async def _choices(side: Daemons) -> ChoiceCounters:
    """Return what all nodes of a household count of their policies."""
    counted = [(await side.status(name)).choices for name in HOUSEHOLD]
    return ChoiceCounters(
        asked=sum(one.asked for one in counted),
        waits=sum(one.waits for one in counted),
        guarded=dict(sum((Counter(one.guarded) for one in counted), Counter())),
    )


def _since(now: ChoiceCounters, before: ChoiceCounters) -> ChoiceCounters:
    return ChoiceCounters(
        asked=now.asked - before.asked,
        waits=now.waits - before.waits,
        guarded=dict(Counter(now.guarded) - Counter(before.guarded)),
    )


def _side(policy: str, outcome: _Outcome) -> Side:
    ended = [one for heard in outcome.rounds for one in heard]
    return Side(
        policy=Path(policy).stem if policy.endswith(".onnx") else policy,
        cost=Parts.mean(outcome.real),
        simulated_cost=Parts.mean(outcome.simulated),
        p50_ms=median([one.seconds for one in ended if not one.is_missed] or [0.0]) * 1e3,
        missed=fmean(one.is_missed for one in ended),
        choices=outcome.choices,
    )
