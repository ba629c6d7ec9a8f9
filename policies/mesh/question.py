"""What a client asks, and what became of it, in the mesh and in the simulator alike."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy

MODEL = ModelName("ecg-anomaly")
"""Of which each of them hosts a tier, and which is asked for unless a question names another."""

HOUSEHOLD = (DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB)
"""One device of each class, which bears the class's name and hosts its tier."""


class Question(Struct, frozen=True, kw_only=True):
    """One request of a client."""

    at_s: float
    """Seconds since the load began."""
    node: DeviceClass
    """Who is asked."""
    window: int = 0
    """Place of the first window; of no meaning to other models, whose items are all alike."""
    items: int = 1
    """Windows [window, window + items) are asked about together, or so many items of another model."""
    model: ModelName = MODEL
    deadline_s: float = 10.0
    priority: Priority = Priority.NORMAL
    privacy: Privacy = Privacy.HOUSEHOLD
    min_tier: DeviceClass | None = None
    place: str = ""
    """The one node that may run it; empty: whichever is best."""


class Run(Struct, frozen=True, kw_only=True):
    """One run on the way to an answer."""

    node: DeviceClass
    compute_s: float
    items: int
    """That were run together; others' too."""
    codec: str
    score: float | None


class Heard(Struct, frozen=True, kw_only=True):
    """How one question ended in the mesh."""

    number: int
    """Of the question in its load."""
    sent_s: float
    """When it was asked indeed, seconds since the load began."""
    seconds: float
    """That the client waited."""
    runs: tuple[Run, ...] = ()
    """Empty where there was no answer."""
    joules: float = 0.0
    """Of all nodes, as they estimate it."""
    queue_s: float = 0.0
    answer_bytes: int = 0
    code: str = ""
    """Why there is no answer."""

    @property
    def is_missed(self) -> bool:
        """Tell whether nobody answered in time."""
        return not self.runs

    @property
    def tier(self) -> DeviceClass | None:
        """Return the tier that answered: that of the node that ran it last."""
        return self.runs[-1].node if self.runs else None

    def route(self, asked: DeviceClass) -> str:
        """Return by whom it was asked and run, for people: ``watch: phone > hub``."""
        return f"{asked}: " + (" > ".join(run.node for run in self.runs) or "no answer")
