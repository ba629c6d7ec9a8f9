"""What ways have really cost corrects a policy, within margins, and makes nothing happen that was forbidden."""

from __future__ import annotations

from msgspec.structs import replace

from meshd import errors
from meshd.core.candidate import WAIT, Mask, Observation, Reason
from meshd.core.mesh_view import MeshView
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.core.settings import Settings
from meshd.policy.adaptation import Adapted
from meshd.policy.experience import MOST, Experience, Kind, Way
from tests.policy.conftest import Ask, Asked

SETTINGS = Settings()


class Waits:
    """Has whatever may wait wait."""

    name = "waits"
    is_steady = False

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return WAIT where that is allowed."""
        return WAIT if observation.wait_s is not None else LeastExpectedCost().choose(observation, view, now)


def adapted(*dear: Way) -> Adapted:
    """A rule in whose experience some ways cost far more than was predicted."""
    made = Adapted(LeastExpectedCost(), SETTINGS, Experience("p"))
    for way in dear:
        for _ in range(60):
            made.experience.learn(way, 3.0, 5.0)
    return made


def close(asked: Asked) -> Asked:
    """The same decision, with what is allowed of about one cost."""
    observation, view, now = asked
    least = min(candidate.prediction.cost for candidate in observation.candidates if candidate.allowed)
    candidates = tuple(
        replace(candidate, prediction=replace(candidate.prediction, cost=least * (1.0 + 0.1 * index)))
        if candidate.allowed
        else candidate
        for index, candidate in enumerate(observation.candidates)
    )
    return replace(observation, candidates=candidates), view, now


def test_without_experience_the_choice_is_the_policys_own(ask: Ask) -> None:
    made, asked = adapted(), close(ask())
    assert (made.choose(*asked), made.moved, made.name, made.is_steady) == (0, "", "least-expected-cost", False)


def test_a_way_that_has_really_cost_more_is_left_for_the_next_best_and_it_is_said(ask: Ask) -> None:
    asked = close(ask())
    first, second = asked[0].candidates[:2]
    made = adapted(Way.of(first))
    assert made.choose(*asked) == 1
    assert made.moved == (
        f"least-expected-cost would have chosen the {first.label}; "
        f"what such ways have really cost here made it the {second.label}"
    )


def test_what_is_forbidden_stays_forbidden_however_dear_the_rest_has_been(ask: Ask) -> None:
    observation, view, now = close(ask())
    masked = Reason(mask=Mask.BATTERY, sentence="it is empty")
    candidates = (observation.candidates[0], *(replace(c, reason=masked) for c in observation.candidates[1:]))
    made = adapted(Way.of(observation.candidates[0]))
    assert made.choose(replace(observation, candidates=candidates), view, now) == 0


def test_what_is_predicted_to_cost_more_than_the_margins_allow_is_not_taken_for_experience(ask: Ask) -> None:
    observation, view, now = close(ask())
    dear = [
        replace(c, prediction=replace(c.prediction, cost=c.prediction.cost * (1.0 + MOST) * 0.99)) if index else c
        for index, c in enumerate(observation.candidates)
    ]
    made = adapted(Way.of(observation.candidates[0]))
    made._limits = replace(made._limits, relative=0.1, absolute_joules=0.0)
    assert made.choose(replace(observation, candidates=tuple(dear)), view, now) == 0
    assert not made.moved


def taught(made: Adapted, asked: Asked, *, joules: float, after_s: float, n: int = 30) -> None:
    """Have a choice made many times, each answered after so long for so many joules."""
    observation, view, now = asked
    for number in range(n):
        request_id = type(observation.request_id)(f"r{number}")
        made.choose(replace(observation, request_id=request_id), view, now)
        made.answered(request_id, joules, now + after_s)


def test_requests_that_cost_what_was_predicted_teach_nothing_and_dearer_ones_do(ask: Ask) -> None:
    asked = ask()
    chosen = asked[0].candidates[LeastExpectedCost().choose(asked[0])]
    told = chosen.prediction
    as_told, dearer = adapted(), adapted()
    taught(as_told, asked, joules=told.joules, after_s=told.total_s)
    taught(dearer, asked, joules=told.joules, after_s=told.total_s + 1.0)
    later_s = asked[2] + 60.0
    assert as_told.experience.corrections(later_s) == {}
    assert dearer.experience.corrections(later_s) == {Way.of(chosen): MOST}


def test_a_request_that_was_never_answered_has_cost_a_miss_and_one_that_was_called_off_nothing(ask: Ask) -> None:
    asked = ask()
    observation, view, now = asked
    made = adapted()
    for number in range(30):
        request_id = type(observation.request_id)(f"r{number}")
        made.choose(replace(observation, request_id=request_id), view, now)
        made.failed(request_id, errors.Cancelled.code if number % 2 else errors.DeadlineExceeded.code, now)
    assert made.experience.lessons == 15
    assert list(made.experience.corrections(now + 60.0).values()) == [MOST]


def test_what_peers_have_delegated_teaches_nothing(ask: Ask) -> None:
    made, asked = adapted(), ask()
    made.choose(*asked)
    made.pass_over(asked[0].request_id)
    made.answered(asked[0].request_id, 9.0, asked[2])
    assert made.experience.lessons == 0


def test_only_the_first_choice_is_held_against_the_whole_request(ask: Ask) -> None:
    made, asked = adapted(), ask()
    made.choose(*asked)
    made.choose(*asked)
    made.answered(asked[0].request_id, 0.0, asked[2])
    assert made.experience.lessons == 1


def test_waiting_that_has_cost_more_than_going_at_once_is_offered_no_more(ask: Ask) -> None:
    observation, view, now = ask(priority=Priority.BACKGROUND, deadline_s=60.0)
    made = Adapted(Waits(), SETTINGS, Experience("p"))
    assert made.choose(observation, view, now) == WAIT
    best = observation.candidates[LeastExpectedCost().choose(observation)]
    made.answered(observation.request_id, best.prediction.joules, now + 50.0)
    (tally,) = made.experience.kept().tallies
    assert (tally.way, tally.mean > 0.0) == (replace(Way.of(best), kind=Kind.WAIT), True)
    for _ in range(60):
        made.experience.learn(tally.way, 3.0, now)
    index = made.choose(observation, view, now + 60.0)
    assert (index != WAIT, made.moved.startswith("waits would have chosen to wait")) == (True, True)
