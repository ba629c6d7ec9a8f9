"""A defect costs the one request at which it was met: that one ends, typed and once, and all others go on."""

from __future__ import annotations

from typing import NoReturn

import pytest

from meshd.core import events
from meshd.core.answer import Answer, Failure
from meshd.core.commands import Command, Dispatch, DropStage, Finish, Recall, RunStage
from meshd.core.ids import RequestId
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from tests.core.builders import DOUBT, WATCH_TIER, answered, arrived, finished, hub, scheduler, step, watch

R = RequestId("r")
SENTENCE = "this node met a defect of its own while it dealt with the request; its log tells more"
ENDS = Finish(request_id=R, outcome=Failure(code="internal_error", message=SENTENCE), attempt=None)


def break_down(*_: object, **__: object) -> NoReturn:
    raise ArithmeticError


def given_up(made: Scheduler, event: events.Event, now: float) -> list[Command]:
    """What the owner of a scheduler does about an event at which it raises."""
    with pytest.raises(ArithmeticError):
        made.handle(event, now)
    return made.give_up(event, now)


def test_a_request_for_which_nothing_can_be_chosen_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scheduler(watch(), hub())
    monkeypatch.setattr(made.view, "weigh_doubts", break_down)
    assert given_up(made, arrived(), 0.0) == [ENDS]
    assert made.alive_requests == 0


def test_a_request_that_a_timer_finds_broken_is_called_back_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = scheduler(watch(), hub())
    (sent,) = step(made, arrived(min_tier=hub().hosted[0].tier))
    assert isinstance(sent, Dispatch)
    step(made, arrived("other"))
    monkeypatch.setattr(made.view, "learn_overdue", break_down)
    told = given_up(made, events.TimePassed(), 0.9)
    assert told == [Recall(request_id=R, attempt=sent.attempt, node_id=sent.node_id), ENDS]
    assert made.alive_requests == 1
    (end,) = step(made, finished(2, name="other"), 0.9)
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, Answer)


def test_an_answer_that_nothing_can_be_learned_from_is_given_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scheduler(watch(), hub())
    step(made, arrived(min_tier=hub().hosted[0].tier))
    monkeypatch.setattr(made.view, "learn_from", break_down)
    (end,) = made.handle(answered(1, hub()), 0.1)
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, Answer)
    with pytest.raises(ArithmeticError):
        made.learn()
    (started,) = step(made, arrived("next"), 0.1)
    assert isinstance(started, RunStage)


def test_what_cannot_be_learned_keeps_nothing_else_from_being_learned_and_costs_no_other_request() -> None:
    made, learned = scheduler(watch(), hub()), list[str]()
    made.lessons += [break_down, lambda: learned.append("one"), break_down, lambda: learned.append("two")]
    with pytest.raises(ArithmeticError):
        made.learn()
    assert learned == ["one", "two"]
    (started,) = step(made, arrived())
    assert isinstance(started, RunStage)


def test_a_smaller_answer_is_given_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scheduler(watch(), hub())
    step(made, arrived())
    monkeypatch.setattr(made.view, "weigh_doubts", break_down)
    (end,) = given_up(made, finished(1, DOUBT), 0.01)
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, Answer)
    assert (end.outcome.tier, end.outcome.degraded) == (WATCH_TIER, True)


def test_the_children_of_a_request_that_is_given_up_end_before_it() -> None:
    made = scheduler(hub(), hub(name="hub-2"))
    step(made, arrived(priority=Priority.EMERGENCY))
    told = made.give_up(events.RequestCancelled(request_id=R), 0.0)
    assert [type(command) for command in told] == [DropStage, Finish, Recall, Finish, Finish]
    assert told[-1] == ENDS
    assert made.alive_requests == 0


def test_a_parent_goes_on_with_the_child_that_is_left() -> None:
    made = scheduler(hub(), hub(name="hub-2"))
    step(made, arrived(priority=Priority.EMERGENCY))
    made.give_up(finished(2, name="r/0"), 0.0)
    end = step(made, answered(3, hub(name="hub-2"), name="r/1"), 0.1)[-1]
    assert isinstance(end, Finish)
    assert end.request_id == R
    assert isinstance(end.outcome, Answer)


def test_a_defect_at_no_request_ends_none() -> None:
    made = scheduler(watch(), hub())
    step(made, arrived())
    assert made.give_up(events.TimePassed(), 0.0) == []
    assert made.alive_requests == 1
