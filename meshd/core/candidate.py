"""What a policy sees: every way to run a request, with what it would take, or the reason why it is not allowed.

A decision among a thousand nodes makes a hundred of these, and they cannot form a cycle: the garbage collector need
not look at them (``gc=False``).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import NodeId, RequestId, Word
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.plan import RAW, Leg, Share
from meshd.core.request import Priority

WAIT = -1
"""What a policy answers in place of an index: wait for a cheaper moment, where the observation says that it may."""


class Mask(StrEnum):
    """The rule that forbids a candidate."""

    PRIVACY = "privacy"
    NOT_ALIVE = "not_alive"
    VISITED = "visited"
    DELEGATED = "delegated"
    SHUNNED = "shunned"
    TOO_WEAK = "too_weak"
    BATTERY = "battery"
    QUEUE_FULL = "queue_full"
    DEADLINE = "deadline"
    LESS_ACCURATE = "less_accurate"
    NOT_THE_PLAN = "not_the_plan"
    """The asker named another plan, or wants another tier to answer."""
    LOSSY = "lossy"
    """What travels would lose something, and the asker wants every bit."""
    NO_GAIN = "no_gain"
    """Splitting is not predicted to pay."""


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """Why a candidate is masked: the rule, and a sentence for a person."""

    mask: Mask
    sentence: str


class Prediction(Struct, frozen=True, kw_only=True, gc=False):
    """What running a candidate is expected to take, its likely escalations included.

    Seconds are means; ``deviation_s`` is one standard deviation of their sum. ``joules`` counts every node touched,
    ``weighted_joules`` the same with the wall socket at a discount. ``cost`` is on the scale of joules:
    weighted_joules + price of the seconds, those of others included + price of a missed deadline times its probability.
    """

    queue_s: float
    load_s: float
    compute_s: float
    transfer_s: float
    escalation_s: float
    deviation_s: float
    joules: float
    weighted_joules: float
    miss_probability: float
    cost: float
    delay_s: float = 0.0
    """By how much it is expected to delay others, over all of them: its seconds on each node times who is there."""
    handling_s: float = 0.0
    """What such requests took beyond their runs and ways; negative where they took less (handling.py)."""
    forgone_joules: float = 0.0
    """Of the price of loading, what ``cost`` leaves out: requests before have lost as much (regret.py)."""
    own_joules: float = 0.0
    """Of ``joules``, what this node spends; the rest is the others'."""
    load_joules: float = 0.0
    """Of ``weighted_joules``, what loading takes, each part on its own node. No policy is shown it by itself."""

    @property
    def first_s(self) -> float:
        """Return the expected seconds until the first answer, if it does not escalate."""
        return self.queue_s + self.load_s + self.compute_s + self.transfer_s + self.handling_s

    @property
    def total_s(self) -> float:
        """Return the expected seconds until the final answer."""
        return self.first_s + self.escalation_s

    @property
    def burden_s(self) -> float:
        """Return the seconds that everybody waits for it together, the asker and those whom it delays."""
        return self.total_s + self.delay_s


NOT_PRICED = Prediction(
    queue_s=0.0,
    load_s=0.0,
    compute_s=0.0,
    transfer_s=0.0,
    escalation_s=0.0,
    deviation_s=0.0,
    joules=0.0,
    weighted_joules=0.0,
    miss_probability=1.0,
    cost=float("inf"),
)
"""Stands where a hard rule forbade a candidate before anybody asked what it would take."""


class Candidate(Struct, frozen=True, kw_only=True, gc=False):
    """Start the cascade with one tier on one node."""

    node_id: NodeId
    node: str
    here: bool
    tier: HostedTier
    prediction: Prediction
    reason: Reason | None = None
    codec: Word = RAW
    """How the input travels to a peer that runs it whole."""
    legs: tuple[Leg, ...] = ()
    """Stages over several nodes, in order; empty where one node runs it whole. The node above runs the first."""
    shares: tuple[Share, ...] = ()
    """Items of the batch over several nodes; empty where one node runs them all."""
    is_assumed: bool = False
    """Whether it goes over a link whose rate nobody has measured: the time on the way is what classes are known for."""
    is_load_assumed: bool = False
    """Whether loading takes what was announced when the model was taken in: nobody has seen it loaded since."""

    @property
    def allowed(self) -> bool:
        """Tell whether no hard rule forbids it."""
        return self.reason is None

    @property
    def price(self) -> Prediction | None:
        """Return what it would take; none where nobody has asked, for it is forbidden."""
        return None if self.prediction is NOT_PRICED else self.prediction

    @property
    def is_split(self) -> bool:
        """Tell whether several nodes would share a run that has not begun; the rest of one that has is none."""
        return bool(self.shares) or (len(self.legs) > 1 and self.legs[0].first == 0)

    @property
    def label(self) -> str:
        """Return how a person would name it, for example ``hub tier on kitchen``."""
        return f"{self.tier.tier} tier on {self.place}"

    @property
    def place(self) -> str:
        """Return where: ``kitchen``; ``band 0-2, kitchen 2-4`` for stages; ``band x3, kitchen x5`` for items."""
        if self.legs:
            return ", ".join(f"{leg.node} {leg.first}-{leg.last}" for leg in self.legs)
        if self.shares:
            return ", ".join(f"{share.node} x{share.items}" for share in self.shares)
        return self.node


class Observation(Struct, frozen=True, kw_only=True, gc=False):
    """One decision to take."""

    request_id: RequestId
    decision: int
    remaining_s: float
    priority: Priority
    above: DeviceClass | None = None
    """The tier whose answer escalated; none for a first decision."""
    candidates: tuple[Candidate, ...]
    weighed_ago_s: float = 0.0
    """How long before they were weighed, for another request that asked the same; 0 where they were for this one."""
    wait_s: float | None = None
    """How long it may wait for a cheaper moment at most; none: it may not."""
    alive: int = 0
    """Stages that run or wait for a slot here."""
    waiting: int = 0
    """Other requests that wait here for a cheaper moment."""
    batch: int = 1
    input_bytes: int = 0

    @property
    def offers_any(self) -> bool:
        """Tell whether anything may be chosen at all."""
        return any(candidate.reason is None for candidate in self.candidates)

    @property
    def mask(self) -> tuple[bool, ...]:
        """Return for each candidate whether it may be chosen."""
        return tuple(candidate.allowed for candidate in self.candidates)
