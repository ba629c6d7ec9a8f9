"""What a model's answers mean in a world, for all nodes alike."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.ids import ModelName


class Model(Struct, frozen=True, kw_only=True, gc=False):
    """One model. What its tiers take is a node's matter: :class:`policies.scenario.node.Hosting`."""

    name: ModelName
    input_bytes: int
    """Bytes of one item of its input."""
    result_bytes: int
    """Bytes of one item's answer on a link."""
    alarm_at: float | None = None
    """A tier calls an item anomalous when its score is at least this; none: the model raises no alarms."""
    further_item: float = 1.0
    """Seconds of each item of a batch behind the first, as a share of the first one's; 1: batching gains nothing."""
