"""Which features tell of the same thing, so that hiding one alone hides nothing.

Every feature is in one group, but for those that say which rows may be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, ...]] = {
    "cost": ("cost_joules", "cost_above_rule_joules", "rule_cost_joules"),
    "the rule's choice": ("is_rule",),
    "seconds": ("compute_s", "transfer_s", "handling_s", "total_s"),
    "queues": ("queue_s", "delay_s", "node_backlog_s", "node_alive", "node_outstanding", "alive"),
    "warm models": ("load_s", "forgone_joules", "is_warm"),
    "joules": ("joules", "weighted_joules", "own_joules"),
    "radios": ("node_wake_joules", "node_radio_awake", "wakings_lately", "radio_idle_s", "own_radio_awake"),
    "batteries": (
        "node_battery_joules",
        "node_on_battery",
        "node_battery_fraction",
        "node_is_charging",
        "own_battery_joules",
        "own_on_battery",
        "own_battery_fraction",
        "own_above_floor",
        "own_is_charging",
    ),
    "cascade": ("escalation_s", "escalation_rate", "escalation_trend", "tier_rank", "tier_accuracy", "above_rank"),
    "deadline": ("remaining_s", "slack_s", "deviation_s", "miss_probability"),
    "age of knowledge": (
        "estimate_age_s",
        "node_heard_ago_s",
        "node_measured_ago_s",
        "weighed_ago_s",
        "is_rate_assumed",
        "is_time_measured",
    ),
    "place": ("is_here", "node_rank", "own_rank", "node_rtt_s", "n_legs", "n_shares", "is_encoded"),
    "request": ("batch", "input_bytes", "is_emergency", "is_background"),
    "demand": ("may_wait", "wait_s", "waiting", "arrivals_lately"),
    "prices": ("latency_price_watts", "miss_price_joules", "mains_joule_weight"),
}
"""By what a person calls them. Which rows there are is never hidden: ``is_allowed`` and ``is_wait``."""
