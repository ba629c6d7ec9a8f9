"""The life of one request, as a table.

rules of this file:
- a state changes only through `Life.advance`, and only along the table;
- ANSWERED and FAILED are terminal and are entered once, which is what makes "exactly one outcome" true;
- a report about an attempt that is not the current one changes nothing.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.answer import Answer, Failure
from meshd.core.candidate import Candidate
from meshd.core.ids import NodeId
from meshd.core.itinerary import Itinerary
from meshd.core.request import Request


class State(StrEnum):
    """Where a request stands on this node."""

    NEW = "new"
    CHOOSING = "choosing"
    """Candidates are with the policy."""
    QUEUED = "queued"
    """Planned here, waits for a slot."""
    RUNNING = "running"
    AWAITING = "awaiting"
    """Dispatched to a peer."""
    ANSWERED = "answered"
    FAILED = "failed"


class Step(StrEnum):
    """What can happen to a request."""

    ADMIT = "admit"
    PLAN_HERE = "plan_here"
    PLAN_THERE = "plan_there"
    START = "start"
    ESCALATE = "escalate"
    LOSE = "lose"
    """The attempt came to nothing; choose again."""
    ANSWER = "answer"
    FAIL = "fail"


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.NEW: {Step.ADMIT: State.CHOOSING, Step.FAIL: State.FAILED},
    State.CHOOSING: {
        Step.PLAN_HERE: State.QUEUED,
        Step.PLAN_THERE: State.AWAITING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.QUEUED: {
        Step.START: State.RUNNING,
        Step.LOSE: State.CHOOSING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.RUNNING: {
        Step.ESCALATE: State.CHOOSING,
        Step.LOSE: State.CHOOSING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.AWAITING: {
        Step.ESCALATE: State.CHOOSING,
        Step.LOSE: State.CHOOSING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.ANSWERED: {},
    State.FAILED: {},
}


class Attempt(Struct, frozen=True, kw_only=True):
    """One try to run the request somewhere."""

    number: int
    candidate: Candidate
    since_s: float


class Given(Struct, frozen=True, kw_only=True):
    """An answer that could serve as a degraded one, and the attempt whose tensors belong to it."""

    answer: Answer
    attempt: int


class Life(Struct, kw_only=True):
    """Everything that changes while a request is alive."""

    request: Request
    arrived_s: float
    itinerary: Itinerary
    state: State = State.NEW
    decision: int = 0
    """Counts the plans asked for; a policy's answer to an older one is stale."""
    attempt: Attempt | None = None
    given: Given | None = None
    """Best answer so far: what is returned, as degraded, when nothing larger can be reached."""
    shunned: dict[NodeId, str] = {}
    """Nodes that failed this request, with the reason; they are not asked again for it."""
    deaths: int = 0
    """Executors that ended while they held this request."""
    last_failure: Failure | None = None
    """Why the latest lost attempt was lost; told if there is no other way."""

    def advance(self, step: Step) -> None:
        """Take a step of the table; AssertionError on any other, for that is a defect of core itself."""
        following = TRANSITIONS[self.state].get(step)
        if following is None:
            raise AssertionError(f"{self.request.request_id}: no step {step} from {self.state}")
        self.state = following

    @property
    def deadline_s(self) -> float:
        """Return the point in this node's time by which the answer is due."""
        return self.arrived_s + self.request.deadline_s

    def remaining_s(self, now: float) -> float:
        """Return the seconds left; negative when the deadline is past."""
        return self.deadline_s - now

    def current(self, attempt: int) -> Attempt | None:
        """Return the attempt of this number if it is the one under way."""
        under_way = self.state in (State.QUEUED, State.RUNNING, State.AWAITING)
        if under_way and self.attempt is not None and self.attempt.number == attempt:
            return self.attempt
        return None
