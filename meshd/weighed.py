"""What documents tell of a way to run a request that was weighed, whoever asks."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.node import DeviceClass


class Weighed(Struct, frozen=True, kw_only=True):
    """One candidate. Figures are none where a rule forbade it before anybody asked what it would take."""

    tier: DeviceClass
    mask: str | None
    """Name of the rule that forbids it."""
    reason: str | None
    """That rule in a sentence."""
    queue_s: float | None = None
    load_s: float | None = None
    load_assumed: bool = False
    """Whether ``load_s`` was announced when the model was taken in, and nobody has seen it loaded since."""
    compute_s: float | None = None
    transfer_s: float | None = None
    delay_s: float | None = None
    """By how much it would delay others, over all of them; the policy weighs it like its own seconds."""
    handling_s: float | None = None
    """What such requests took beyond their parts, where that was anything; negative where they took less."""
    weighted_joules: float | None = None
    """Of all nodes, those from the wall as they count; a likely escalation included."""
    miss_probability: float | None = None
    """That the deadline is missed."""
    forgone_joules: float | None = None
    """Of the price of loading, what counts as paid: requests before have lost as much for want of the model."""
    cost: float | None = None
    """What the policy weighs, on the scale of joules; lower is better: ``weighted_joules``, less ``forgone_joules``,
    and the prices of its seconds, of those of others, and of a missed deadline."""
