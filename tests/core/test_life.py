import pytest

from meshd.core.explanation import Explanation
from meshd.core.itinerary import Itinerary
from meshd.core.life import TRANSITIONS, Life, State, Step
from tests.core.builders import request

ALLOWED = {
    (State.NEW, Step.ADMIT): State.CHOOSING,
    (State.NEW, Step.FAIL): State.FAILED,
    (State.CHOOSING, Step.PLAN_HERE): State.QUEUED,
    (State.CHOOSING, Step.PLAN_THERE): State.AWAITING,
    (State.CHOOSING, Step.FORK): State.FORKED,
    (State.CHOOSING, Step.WAIT): State.WAITING,
    (State.CHOOSING, Step.ANSWER): State.ANSWERED,
    (State.CHOOSING, Step.FAIL): State.FAILED,
    (State.WAITING, Step.RELEASE): State.CHOOSING,
    (State.WAITING, Step.ANSWER): State.ANSWERED,
    (State.WAITING, Step.FAIL): State.FAILED,
    (State.QUEUED, Step.START): State.RUNNING,
    (State.QUEUED, Step.LOSE): State.CHOOSING,
    (State.QUEUED, Step.ANSWER): State.ANSWERED,
    (State.QUEUED, Step.FAIL): State.FAILED,
    (State.RUNNING, Step.HAND_ON): State.AWAITING,
    (State.RUNNING, Step.ESCALATE): State.CHOOSING,
    (State.RUNNING, Step.LOSE): State.CHOOSING,
    (State.RUNNING, Step.ANSWER): State.ANSWERED,
    (State.RUNNING, Step.FAIL): State.FAILED,
    (State.AWAITING, Step.ESCALATE): State.CHOOSING,
    (State.AWAITING, Step.LOSE): State.CHOOSING,
    (State.AWAITING, Step.ANSWER): State.ANSWERED,
    (State.AWAITING, Step.FAIL): State.FAILED,
    (State.FORKED, Step.ESCALATE): State.CHOOSING,
    (State.FORKED, Step.LOSE): State.CHOOSING,
    (State.FORKED, Step.ANSWER): State.ANSWERED,
    (State.FORKED, Step.FAIL): State.FAILED,
}


def life(state: State) -> Life:
    asked = request()
    return Life(request=asked, arrived_s=0.0, itinerary=Itinerary(), story=Explanation(request=asked), state=state)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_a_step_leads_along_the_table_and_any_other_is_a_defect(state: State, step: Step) -> None:
    lived = life(state)

    if following := ALLOWED.get((state, step)):
        lived.advance(step)
        assert lived.state is following
    else:
        with pytest.raises(AssertionError, match=f"r: no step {step} from {state}"):
            lived.advance(step)
        assert lived.state is state


@pytest.mark.parametrize("state", [State.ANSWERED, State.FAILED])
def test_a_terminal_state_has_no_way_out(state: State) -> None:
    assert TRANSITIONS[state] == {}


def test_every_state_can_still_fail_until_it_is_terminal() -> None:
    open_states = set(State) - {State.ANSWERED, State.FAILED}
    assert {state for state, steps in TRANSITIONS.items() if Step.FAIL in steps} == open_states
