"""The life of one request, as a table.

Rules of this file:

- a state changes only through `Life.advance`, and only along the table;
- ANSWERED and FAILED are terminal and are entered once, which is what makes "exactly one outcome" true;
- a report about an attempt that is not the current one changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf

from msgspec import Struct

from meshd.core.answer import Answer, Failure
from meshd.core.candidate import Candidate
from meshd.core.explanation import Choice, Explanation, Wait
from meshd.core.fork import Fork
from meshd.core.ids import ArtifactHash, NodeId, RequestId, Word
from meshd.core.itinerary import Itinerary
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.offer import Offer
from meshd.core.plan import Leg
from meshd.core.request import Request


class State(StrEnum):
    """Where a request stands on this node."""

    NEW = "new"
    CHOOSING = "choosing"
    """Candidates are with the policy."""
    WAITING = "waiting"
    """The policy would rather choose at a cheaper moment; waits.py says until when."""
    QUEUED = "queued"
    """Planned here, waits for a slot."""
    RUNNING = "running"
    AWAITING = "awaiting"
    """Dispatched to a peer, whole or from some stage on."""
    FORKED = "forked"
    """Its children are under way."""
    ANSWERED = "answered"
    FAILED = "failed"

    __hash__ = str.__hash__  # Enum's own is written in Python, and the table is asked at every step.


class Step(StrEnum):
    """What can happen to a request."""

    ADMIT = "admit"
    WAIT = "wait"
    RELEASE = "release"
    """It has waited; choose again."""
    PLAN_HERE = "plan_here"
    PLAN_THERE = "plan_there"
    FORK = "fork"
    START = "start"
    HAND_ON = "hand_on"
    """The first stages ran here; the rest goes to a peer."""
    ESCALATE = "escalate"
    LOSE = "lose"
    """The attempt came to nothing, or no further than to some stage; choose again."""
    ANSWER = "answer"
    FAIL = "fail"

    __hash__ = str.__hash__


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.NEW: {Step.ADMIT: State.CHOOSING, Step.FAIL: State.FAILED},
    State.CHOOSING: {
        Step.PLAN_HERE: State.QUEUED,
        Step.PLAN_THERE: State.AWAITING,
        Step.FORK: State.FORKED,
        Step.WAIT: State.WAITING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.WAITING: {Step.RELEASE: State.CHOOSING, Step.ANSWER: State.ANSWERED, Step.FAIL: State.FAILED},
    State.QUEUED: {
        Step.START: State.RUNNING,
        Step.LOSE: State.CHOOSING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.RUNNING: {
        Step.HAND_ON: State.AWAITING,
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
    State.FORKED: {
        Step.ESCALATE: State.CHOOSING,
        Step.LOSE: State.CHOOSING,
        Step.ANSWER: State.ANSWERED,
        Step.FAIL: State.FAILED,
    },
    State.ANSWERED: {},
    State.FAILED: {},
}


class Attempt(Struct, frozen=True, kw_only=True):
    """One try to run the request somewhere, or the part of it that is under way now."""

    number: int
    """Never used twice on a node, so that it names one set of tensors."""
    candidate: Candidate
    since_s: float
    until_s: float
    """When patience with it ends."""
    there: NodeId | None = None
    """The peer that was asked; none: it is tried here."""
    line_s: float = 0.0
    """Predicted wait for what was sent to the peer before."""
    crossing_s: float = 0.0
    """Predicted seconds that the link is taken by what is sent."""
    link_bytes: int = 0
    """Predicted bytes of it there."""
    legs: tuple[Leg, ...] = ()
    """What is left of a plan over several nodes, the leg under way first; empty where it is run whole."""

    @property
    def codec(self) -> Word:
        """Return how what it needs travels to a peer."""
        return self.legs[0].codec if self.legs else self.candidate.codec

    @property
    def work_there_s(self) -> float:
        """Return the predicted seconds of all but the way to the peer: a plan's first leg there, and what follows."""
        predicted = self.candidate.prediction
        handling_s = max(0.0, predicted.handling_s)  # What is less than its parts may be less on the way.
        if not self.legs:
            return predicted.total_s - predicted.transfer_s - predicted.handling_s + handling_s
        waits_s = max(predicted.queue_s, self.line_s) + predicted.load_s + predicted.escalation_s + handling_s
        return waits_s + sum(leg.compute_s for leg in self.legs) + sum(leg.transfer_s for leg in self.legs[1:])

    @property
    def leg(self) -> Leg | None:
        """Return the leg under way; none where it is run whole."""
        return self.legs[0] if self.legs else None


class Given(Struct, frozen=True, kw_only=True):
    """An answer that could serve as a degraded one, and the attempt whose tensors belong to it."""

    answer: Answer
    attempt: int
    child: RequestId | None = None
    """Whose tensors they are, where that attempt was a hedge."""


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
    deadline_s: float = inf
    """The point in this node's time by which the answer is due; from the request and its arrival."""
    is_alone: bool = True
    """Whether no other request was alive here at any time of its own."""
    state: State = State.NEW
    decision: int = 0
    """Number of the latest plan asked for, never used twice on a node; an answer to an older one is stale."""
    choice: Choice | None = None
    """What that decision is about."""
    offer: Offer | None = None
    """Its candidates, where other requests may take them up again."""
    look_s: float = inf
    """When to see whether the policy or a peer keeps it waiting."""
    armed_s: float = inf
    """When its timer goes off."""
    wait: Wait | None = None
    """Set once a policy has made it wait for a cheaper moment; that happens once at most."""
    attempt: Attempt | None = None
    fork: Fork | None = None
    """Its children, once it has been forked; that happens once at most."""
    began_s: float = inf
    """When the latest plan began; until then it waited for this node alone."""
    parent: RequestId | None = None
    """Whose child it is."""
    only_tier: DeviceClass | None = None
    """The one tier that may answer: outputs of a share are joined with those of its siblings."""
    has_one_try: bool = False
    """Set for one of two that race: the other goes on, so this one looks for no other way."""
    given: Given | None = None
    """Best answer so far: what is returned, as degraded, when nothing larger can be reached."""
    reached: Reached | None = None
    """Set once a head has run, or where a peer sent the rest of a plan: what is left may be planned anew from here."""
    flawed: DeviceClass | None = None
    """Tier that gave a malformed output last: a larger one should look, and a smaller one's answer is degraded."""
    shunned: dict[NodeId, str] = {}
    """Peers that failed this request, with the reason; they are not asked again for it."""
    broken_stages: dict[ArtifactHash, str] = {}
    """Models of which some stages failed this request here; the whole is a file of its own, and may still be fine."""
    broken: dict[ArtifactHash, str] = {}
    """Models that failed this request here, with the reason; other tiers of this node may still be fine."""
    deaths: int = 0
    """Executors that ended while they held this request."""
    last_failure: Failure | None = None
    """Why the latest lost attempt was lost; told if there is no other way."""

    def __post_init__(self) -> None:
        """Add up the deadline once: it is asked for at every step."""
        self.deadline_s = self.arrived_s + self.request.deadline_s

    def advance(self, step: Step) -> None:
        """Take a step of the table; AssertionError on any other, for that is a defect of core itself."""
        following = TRANSITIONS[self.state].get(step)
        if following is None:
            raise AssertionError(f"{self.request.request_id}: no step {step} from {self.state}")
        self.state = following

    @property
    def looked_tier(self) -> DeviceClass | None:
        """Return the strongest tier that has looked and asks for a larger one."""
        if self.given is None and self.flawed is None:
            return None
        looked = (self.given.answer.tier if self.given is not None else None, self.flawed)
        return max((tier for tier in looked if tier is not None), key=lambda tier: tier.rank, default=None)

    @property
    def item_bytes(self) -> float:
        """Return the bytes of one item's input; about so many where only what crosses behind a head of it has come."""
        request, per_item = self.request, self.request.input_bytes / self.request.batch
        if request.partial is None or self.reached is None:
            return per_item
        return self.reached.tier.input_behind(request.partial.legs[0].first, per_item)

    @property
    def may_climb(self) -> bool:
        """Tell whether a larger tier may be asked from here: that takes the raw input, and to be nobody's part."""
        return self.request.may_climb and self.request.partial is None and self.parent is None

    def remaining_s(self, now: float) -> float:
        """Return the seconds left; negative when the deadline is past."""
        return self.deadline_s - now

    def current(self, attempt: int, state: State) -> Attempt | None:
        """Return the attempt of this number if it is the one under way, and under way in this state."""
        if self.state is state and self.attempt is not None and self.attempt.number == attempt:
            return self.attempt
        return None
