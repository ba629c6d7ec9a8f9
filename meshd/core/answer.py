"""How a request ended: an answer with its whole story, or a failure with its reason."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from meshd.core.ids import SHORT, ModelName, NodeId
from meshd.core.node import DeviceClass, Seconds
from meshd.core.plan import RAW, StageNumber

ShortWord = Annotated[str, SHORT]
"""That it is one line is looked at where a message brings it, for all words of an answer at once."""
Score = Annotated[float, Meta(ge=-1e300, le=1e300)]
"""Any finite number."""


class Hop(Struct, frozen=True, kw_only=True, gc=False):
    """One stage that was run for a request."""

    node_id: Annotated[NodeId, SHORT]
    node: ShortWord
    """The node's human name."""
    tier: DeviceClass
    variant: ShortWord
    compute_s: Seconds
    """Of the run; it may have held items of others too."""
    items: Annotated[int, Meta(ge=1, le=2**31)] = 1
    """That were run in them."""
    score: Score | None = None
    anomalous: bool | None = None
    stages: tuple[StageNumber, StageNumber] | None = None
    """The half-open range of stages that was run; none: the whole model."""
    codec: ShortWord = RAW
    """How what it ran on came to its node; a run on what was at hand there already says ``raw``, too."""
    transfer_s: Seconds = 0.0
    """That the way there took, with the answer's way back; 0 where nothing had to be sent."""


class Timings(Struct, frozen=True, kw_only=True, gc=False):
    """Where the time went; total_s also holds what none of the parts names."""

    queue_s: Seconds = 0.0
    compute_s: Seconds = 0.0
    transfer_s: Seconds = 0.0
    total_s: Seconds = 0.0

    @property
    def rest_s(self) -> float:
        """Return what none of the parts names: taking in, deciding, loading, joining, passing on."""
        return max(0.0, self.total_s - self.queue_s - self.compute_s - self.transfer_s)


MOST_JOULES = 1e12
"""A large power station for a quarter of an hour."""


class Energy(Struct, frozen=True, kw_only=True, gc=False):
    """Joules that a request took on all nodes of its route."""

    joules: Annotated[float, Meta(ge=0.0, le=MOST_JOULES)] = 0.0
    estimated: bool = True
    """True unless every part was measured by the platform."""


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """What is said about the output tensors; the tensors travel beside it."""

    model: Annotated[ModelName, SHORT]
    version: ShortWord
    tier: DeviceClass
    variant: ShortWord
    score: Score | None
    anomalous: bool | None
    """Whether the tier raises an alarm, by the threshold in its manifest; none where it has none."""
    confidence: Score | None
    """max(score, 1 - score) where the tier has a score; none otherwise."""
    degraded: bool
    """A larger model should have looked again and could not be reached in time."""
    escalations: Annotated[int, Meta(ge=0, le=64)]
    route: Annotated[tuple[Hop, ...], Meta(min_length=1, max_length=64)]
    timings: Timings
    energy: Energy


class Failure(Struct, frozen=True, kw_only=True, gc=False):
    """Why there is no answer: a code of :mod:`meshd.errors` and a sentence."""

    code: str
    message: str


Outcome = Answer | Failure
