"""A model that requests lose enough for want of is loaded, and not before."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from meshd.core import events
from meshd.core.candidate import Candidate
from meshd.core.commands import Command, Dispatch, Finish, RunStage, WarmUp
from meshd.core.events import HostChanged
from meshd.core.ids import ArtifactHash, RequestId
from meshd.core.node import NodeProfile, Telemetry
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import (
    HUB_TIER,
    WATCH_TIER,
    answered,
    arrived,
    finished,
    hub,
    met,
    scheduler,
    step,
    tier,
    watch,
)

PLAIN = {"score_output": None, "escalation_rate": 0.0}
OWN = tier(WATCH_TIER, load_s=1.0, **PLAIN)
THERE = tier(HUB_TIER, load_s=1.0, **PLAIN)
WATCH, HUB = watch(OWN), hub(THERE)
SETTINGS = Settings(latency_price_watts=1.0)


def cold(profile: NodeProfile = WATCH, settings: Settings = SETTINGS) -> Scheduler:
    """A watch with nothing in memory beside a hub that has all it needs."""
    made = scheduler(profile, HUB, settings=settings)
    made.handle(state(), 0.0)
    return made


def state(*warm: ArtifactHash) -> HostChanged:
    return HostChanged(warm=warm, battery_fraction=None, charging=False, free_memory_bytes=None)


def asks(made: Scheduler, number: int, **changes: Any) -> list[Command]:
    """Have one request answered by whoever it goes to; return all that was commanded."""
    name = f"r{number}"
    told = step(made, arrived(name, **({"deadline_s": 30.0} | changes)), number * 0.1)
    for command in tuple(told):
        if isinstance(command, Dispatch):
            told += step(made, answered(command.attempt, HUB, name), number * 0.1 + 0.02)
        elif isinstance(command, RunStage):
            ran = finished(command.attempt, None, name, compute_s=command.tier.compute_s)
            told += step(made, ran, number * 0.1 + 0.01)
    assert isinstance(told[-1], Finish)
    return told


def candidates(made: Scheduler, number: int) -> tuple[Candidate, ...]:
    story = made.explanations.get(RequestId(f"r{number}"))
    assert story is not None
    return story.choices[0].observation.candidates


def kinds(told: list[Command]) -> list[type[Command]]:
    return [type(command) for command in told]


def test_what_is_cold_here_is_loaded_in_the_background_once_as_much_is_lost_as_that_costs() -> None:
    made = cold()
    until = next(number for number in range(1, 500) if WarmUp in kinds(asks(made, number)))
    here, there = (candidate.prediction for candidate in candidates(made, until))
    loading_cost = 1.0 + 0.1  # A second at 1 W, and what a core takes meanwhile.
    lost_each = there.cost - (here.cost - loading_cost)
    assert 0.8 <= until * lost_each / loading_cost <= 1.2  # The way to the hub is learned meanwhile.
    assert not any(WarmUp in kinds(asks(made, number)) for number in range(until + 1, until + 10))


def warm_ups_s(made: Scheduler, *, seconds: int) -> list[float]:
    """When it was to be loaded, where ten requests a second would rather have it warm and it never is."""
    return [number * 0.1 for number in range(1, seconds * 10) if WarmUp in kinds(asks(made, number))]


def test_a_load_that_is_under_way_is_not_asked_for_again_and_one_that_fails_ever_more_seldom() -> None:
    made = cold(settings=replace(SETTINGS, latency_price_watts=1000.0))
    asked_s = warm_ups_s(made, seconds=400)
    waits_s = [later - before for before, later in pairwise(asked_s)]
    assert 3 <= len(waits_s) <= 6
    assert all(later > 1.5 * before for before, later in pairwise(waits_s))
    assert waits_s[0] >= 10.0


def test_no_request_waits_for_it_and_the_next_one_stays_here() -> None:
    made = cold(settings=replace(SETTINGS, latency_price_watts=1000.0))
    told = next(told for number in range(1, 500) if WarmUp in kinds(told := asks(made, number)))
    assert Dispatch in kinds(told)
    made.handle(events.WarmedUp(tier=OWN, load_s=0.4), 60.0)
    made.handle(state(OWN.artifact), 60.0)
    assert kinds(asks(made, 601)) == [RunStage, Finish]


def test_what_had_to_make_room_is_loaded_again_only_after_as_much_is_lost_again() -> None:
    made = cold()
    first = next(number for number in range(1, 500) if WarmUp in kinds(asks(made, number)))
    made.handle(state(OWN.artifact), first * 0.1 + 0.05)
    made.handle(state(), first * 0.1 + 0.06)
    again = next(number for number in range(first + 1, 999) if WarmUp in kinds(asks(made, number)))
    assert again - first >= 0.8 * first


def test_what_was_loaded_once_is_not_taken_for_a_load_that_failed() -> None:
    made = cold(settings=replace(SETTINGS, latency_price_watts=1000.0))
    first = next(number for number in range(1, 500) if WarmUp in kinds(asks(made, number)))
    made.handle(state(OWN.artifact), first * 0.1 + 0.05)
    made.handle(state(), first * 0.1 + 0.06)
    again = next(number for number in range(first + 1, 999) if WarmUp in kinds(asks(made, number)))
    assert again - first <= 1.5 * first < 100


def test_a_deadline_that_loading_alone_would_miss_counts_as_lost_too() -> None:
    made = cold()
    told = [kinds(asks(made, number, deadline_s=0.5)) for number in range(1, 200)]
    assert any(WarmUp in kind for kind in told)


def test_nothing_is_lost_where_the_asker_named_the_place() -> None:
    made = cold()
    assert not any(WarmUp in kinds(asks(made, number, plan="hub")) for number in range(1, 200))


def test_a_cold_peer_is_asked_once_as_much_is_lost_as_loading_there_costs() -> None:
    slow = watch(replace(OWN, compute_s=0.2))
    made = scheduler(slow, settings=SETTINGS)
    made.handle(replace(met(HUB), telemetry=Telemetry()), 0.0)
    told = [kinds(asks(made, number)) for number in range(1, 12)]
    stayed = [Dispatch not in kind for kind in told]
    assert stayed.index(False) in range(3, 8)  # One second of loading against a sixth of one for each that stays.
    loads_s = {candidate.node: candidate.prediction.load_s for candidate in candidates(made, stayed.index(False) + 1)}
    assert loads_s == {"watch": 0.0, "hub": 1.0}


def test_what_loading_took_is_believed_and_not_what_was_announced() -> None:
    made = cold()
    made.handle(events.WarmedUp(tier=OWN, load_s=0.25), 0.0)
    made.handle(state(), 0.0)
    assert made.view.own.load_s(OWN, 0, 0) == 0.25
    assert made.view.own.loading.is_measured(OWN, 0, 0)
    assert not made.view.own.loading.is_measured(OWN, 0, 1)


def test_loading_takes_the_joules_of_a_busy_core() -> None:
    made = cold()
    step(made, arrived("r1", deadline_s=30.0), 0.1)
    (here, _) = (candidate.prediction for candidate in candidates(made, 1))
    assert here.joules == WATCH.power.compute_joules(OWN.macs) + 1.0 * WATCH.power.active_watts
