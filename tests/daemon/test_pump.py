"""The pump between scheduler and world: every request that was fed in comes out, whatever raises on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import pytest

from meshd.core.answer import Failure
from meshd.core.commands import ChoosePlan, Command, Dispatch, Finish, Fork, RunBatch, RunStage
from meshd.core.events import Event
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from meshd.daemon.pump import Pump
from tests.core.builders import HUB_TIER, arrived, chosen, finished, hub, scheduler, tier, watch


def break_down(*_: object) -> NoReturn:
    raise ArithmeticError


async def test_an_event_at_which_the_scheduler_raises_ends_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scheduler(watch(), hub())
    monkeypatch.setattr(made.view, "weigh_doubts", break_down)
    performed: list[Command] = []
    pump = Pump(made)
    pump.start(performed.append)
    pump.feed(arrived())
    pump.stop()
    (end,) = (command for command in performed if isinstance(command, Finish))
    assert isinstance(end.outcome, Failure)
    assert end.outcome.code == "internal_error"


def ends_of(made: Scheduler, broken: type[Command], *happens: Event) -> list[Finish]:
    """How requests end on a node that cannot perform one kind of command, before any time passes."""
    ends: list[Finish] = []

    def perform(command: Command) -> None:
        if isinstance(command, broken):
            break_down()
        if isinstance(command, ChoosePlan):
            pump.feed(chosen(command))
        elif isinstance(command, Finish):
            ends.append(command)

    pump = Pump(made)
    pump.start(perform)
    for event in happens:
        pump.feed(event)
    pump.stop()
    return ends


def broken_off(ends: Sequence[Finish]) -> list[str]:
    """The requests that ended for a defect."""
    failures = {end.request_id: end.outcome for end in ends if isinstance(end.outcome, Failure)}
    return [name for name, failure in failures.items() if failure.code == "internal_error"]


@pytest.mark.parametrize(
    ("broken", "wanted"),
    [
        (RunStage, {"plan": "watch"}),
        (ChoosePlan, {}),
        (Dispatch, {"plan": "hub"}),
        (Fork, {"priority": Priority.EMERGENCY}),
    ],
)
async def test_a_request_whose_command_cannot_be_performed_ends_at_once(
    broken: type[Command], wanted: dict[str, Any]
) -> None:
    made = scheduler(watch(), hub(), hub(name="attic"))
    ends = ends_of(made, broken, arrived(**wanted))
    assert "r" in broken_off(ends)
    assert made.alive_requests == 0


async def test_runs_that_cannot_be_begun_give_their_slots_back() -> None:
    made = scheduler(watch())
    assert broken_off(ends_of(made, RunStage, arrived("a"), arrived("b"))) == ["a", "b"]
    assert made.telemetry().running == 0


async def test_a_batch_that_cannot_be_begun_ends_all_of_its_members_and_nobody_else() -> None:
    made = scheduler(hub(tier(HUB_TIER, max_items=64)), settings=Settings(batch_latency_s=0.1))
    ends = ends_of(made, RunBatch, *map(arrived, ("runs", "a", "b", "c")), finished(1, None, "runs"))
    assert [end.request_id for end in ends] == ["runs", "a", "b", "c"]
    assert broken_off(ends) == ["a", "b", "c"]
    assert made.telemetry().running == 0
