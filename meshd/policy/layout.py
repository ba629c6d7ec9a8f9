"""What a policy sees, column by column: names, units and scales. What is trained on another table cannot be served.

A raw figure becomes ``x = figure / unit``, bent where it spans orders of magnitude, then clipped. Columns of one bend
stand together. What may not be chosen has no row; where training wants equally many rows of every decision, it adds
zeros, which ``is_allowed`` tells from the others.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from itertools import groupby

from msgspec import Struct, json


class Bend(StrEnum):
    """How a figure is bent."""

    LOG = "log"
    """log(1 + x): seconds, joules, counts; never negative."""
    SIGNED = "signed"
    """sign(x) * log(1 + abs(x))."""
    LINEAR = "linear"


class Feature(Struct, frozen=True, kw_only=True):
    """One column."""

    name: str
    """With the unit of the raw figure, as everywhere."""
    unit: float
    """How much of it is one."""
    bend: Bend
    most: float
    """Clipped to [-most, most] once it is bent."""


def _log(name: str, unit: float) -> Feature:
    return Feature(name=name, unit=unit, bend=Bend.LOG, most=16.0)


def _signed(name: str, unit: float) -> Feature:
    return Feature(name=name, unit=unit, bend=Bend.SIGNED, most=16.0)


def _linear(name: str, unit: float = 1.0) -> Feature:
    return Feature(name=name, unit=unit, bend=Bend.LINEAR, most=4.0)


_MS, _MJ = 1e-3, 1e-3

CANDIDATE = (
    # What was predicted, in the order of its struct.
    _log("queue_s", _MS),
    _log("load_s", _MS),
    _log("compute_s", _MS),
    _log("transfer_s", _MS),
    _log("escalation_s", _MS),
    _log("deviation_s", _MS),
    _log("joules", _MJ),
    _log("weighted_joules", _MJ),
    _log("miss_probability", 1.0),
    _log("cost_joules", _MJ),
    _log("delay_s", _MS),
    _log("handling_s", _MS),
    _log("forgone_joules", _MJ),
    _log("own_joules", _MJ),
    _log("total_s", _MS),  # of waiting: how long at most
    _log("estimate_age_s", 1.0),
    # Of the node that ends it: this one, the peer that runs it whole, or the one with the last part.
    _log("node_heard_ago_s", 0.1),
    _log("node_backlog_s", _MS),
    _log("node_alive", 1.0),  # for each slot, as it said
    _log("node_outstanding", 1.0),  # of ours, for each slot
    _log("node_rtt_s", _MS),
    _log("node_measured_ago_s", 1.0),  # the link to it
    _log("node_battery_joules", 100.0),  # left; 0 on mains
    _log("node_wake_joules", _MJ),  # of its radio: of waking it, if it has to be, and of its tail
    _signed("slack_s", 1e-2),  # to the deadline
    _signed("cost_above_rule_joules", _MJ),  # beyond the heuristic's choice
    _linear("is_allowed"),
    _linear("is_wait"),
    _linear("is_rule"),  # the heuristic's choice
    _linear("is_here"),
    _linear("is_warm"),
    _linear("is_encoded"),
    _linear("is_rate_assumed"),
    _linear("is_time_measured"),
    _linear("tier_rank", 3.0),
    _linear("tier_accuracy"),
    _linear("escalation_rate"),
    _linear("escalation_trend"),
    _linear("n_legs", 4.0),
    _linear("n_shares", 4.0),
    _linear("node_rank", 3.0),
    _linear("node_on_battery"),
    _linear("node_battery_fraction"),  # 1 on mains
    _linear("node_is_charging"),
    _linear("node_radio_awake"),
)
"""Of each candidate, and of waiting, the last row."""

CONTEXT = (
    _log("remaining_s", 1e-2),
    _log("wait_s", 1.0),  # at most; 0 where it may not wait
    _log("rule_cost_joules", _MJ),
    _log("weighed_ago_s", 1e-2),
    _log("batch", 1.0),
    _log("input_bytes", 1e3),
    _log("alive", 1.0),  # here, for each slot
    _log("waiting", 1.0),  # others, for a cheaper moment
    _log("arrivals_lately", 1.0),
    _log("wakings_lately", 1.0),  # of this node's radio
    _log("radio_idle_s", 0.1),
    _log("own_battery_joules", 100.0),
    _log("latency_price_watts", 1e-2),
    _log("miss_price_joules", 1e-1),
    _linear("mains_joule_weight"),
    _linear("may_wait"),
    _linear("is_emergency"),
    _linear("is_background"),
    _linear("above_rank", 4.0),  # 0 for a first decision; else one more than the rank of the tier that escalated
    _linear("own_rank", 3.0),
    _linear("own_on_battery"),
    _linear("own_battery_fraction"),
    _linear("own_above_floor"),  # of the fraction, what is above the least that peers may use
    _linear("own_is_charging"),
    _linear("own_radio_awake"),
)
"""Of the decision as a whole. How many nodes or candidates there are is not among it: what was learned among few is to
hold among many."""

N_CANDIDATE, N_CONTEXT = len(CANDIDATE), len(CONTEXT)

MOST_SHOWN = 4
"""What a policy chooses among: the heuristic's choice and the cheapest others by their predictions, so many together,
and waiting. What is further off was hardly ever better, and is not tried in training."""


def column(name: str) -> int:
    """Return where a feature of candidates stands; ValueError if there is none of that name."""
    return [feature.name for feature in CANDIDATE].index(name)


def context_column(name: str) -> int:
    """Return where a feature of the context stands; ValueError if there is none of that name."""
    return [feature.name for feature in CONTEXT].index(name)


def layout_hash() -> str:
    """Return what names this table, and changes with every change of it."""
    return sha256(json.encode({"candidate": CANDIDATE, "context": CONTEXT, "ways": MOST_SHOWN})).hexdigest()


def block(table: tuple[Feature, ...], bend: Bend) -> slice:
    """Return the columns of a table that are bent in one way."""
    blocks, at = {}, 0
    for kind, features in groupby(table, key=lambda feature: feature.bend):
        n_features = len(tuple(features))
        blocks[kind] = slice(at, at + n_features)
        at += n_features
    return blocks.get(bend, slice(at, at))
