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
from meshd.core.explanation import Choice, Explanation
from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.itinerary import Itinerary
from meshd.core.node import DeviceClass, HostedTier
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
    until_s: float
    """When patience with it ends."""


class Given(Struct, frozen=True, kw_only=True):
    """An answer that could serve as a degraded one, and the attempt whose tensors belong to it."""

    answer: Answer
    attempt: int


class Reached(Struct, frozen=True, kw_only=True):
    """How far a partitioned run has come: the tensors that cross before a stage are at hand."""

    tier: HostedTier
    stage: int
    """Number of the stage that is next."""
    attempt: int | None
    """The attempt that gave the tensors; none: a peer sent them as the request's input."""
    n_bytes: int
    """Of the tensors, not encoded."""


class Life(Struct, kw_only=True):
    """Everything that changes while a request is alive."""

    request: Request
    arrived_s: float
    itinerary: Itinerary
    story: Explanation
    state: State = State.NEW
    decision: int = 0
    """Number of the latest plan asked for, never used twice on a node; an answer to an older one is stale."""
    choice: Choice | None = None
    """What that decision is about."""
    attempt: Attempt | None = None
    given: Given | None = None
    """Best answer so far: what is returned, as degraded, when nothing larger can be reached."""
    reached: Reached | None = None
    """Set once a head has run, or where a peer sent the rest of a plan: what is left may be planned anew from here."""
    flawed: DeviceClass | None = None
    """Tier that gave a malformed output last: a larger one should look, and a smaller one's answer is degraded."""
    shunned: dict[NodeId, str] = {}
    """Peers that failed this request, with the reason; they are not asked again for it."""
    broken: dict[ArtifactHash, str] = {}
    """Models that failed this request here, with the reason; other tiers of this node may still be fine."""
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
    def looked_tier(self) -> DeviceClass | None:
        """Return the strongest tier that has looked and asks for a larger one."""
        looked = (self.given.answer.tier if self.given is not None else None, self.flawed)
        return max((tier for tier in looked if tier is not None), key=lambda tier: tier.rank, default=None)

    @property
    def deadline_s(self) -> float:
        """Return the point in this node's time by which the answer is due."""
        return self.arrived_s + self.request.deadline_s

    def remaining_s(self, now: float) -> float:
        """Return the seconds left; negative when the deadline is past."""
        return self.deadline_s - now

    def current(self, attempt: int, state: State) -> Attempt | None:
        """Return the attempt of this number if it is the one under way, and under way in this state."""
        if self.state is state and self.attempt is not None and self.attempt.number == attempt:
            return self.attempt
        return None
