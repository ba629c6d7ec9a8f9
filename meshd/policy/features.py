"""Turns a decision into numbers, the same way for the daemon that serves a policy and for the world that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from struct import pack
from typing import NamedTuple

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from meshd.core.candidate import WAIT, Candidate, Observation
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.node_view import NodeView
from meshd.core.plan import RAW
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority
from meshd.policy.layout import CANDIDATE, CONTEXT, MOST_SHOWN, N_CANDIDATE, N_CONTEXT, Bend, column

_RULE = LeastExpectedCost()

_LONG_S = 600.0
"""Stands for never: of the age of an estimate that nobody has measured, or the rest of a radio that was never used."""

_N_PREDICTED = 14
"""Fields of a prediction that the table begins with."""

_Place = tuple[NodeView, tuple[float, ...], tuple[float, ...]]
"""A node with the figures of it that are bent, and those that are not."""


class Features(NamedTuple):
    """What a network is given about one decision."""

    candidates: NDArray[np.float32]
    """float32[ways, features], a row for each that it may choose and for no other."""
    context: NDArray[np.float32]
    """float32[features]"""
    ways: tuple[int, ...]
    """Indices of the candidates in the rows, MOST_SHOWN at most; behind them WAIT, where that is allowed."""
    rule: int
    """Which candidate the heuristic would take."""


def features(observation: Observation, view: MeshView, now: float) -> Features:
    """Return the features of a decision that was just made from a view; ValueError if nothing may be chosen."""
    rule = _RULE.choose(observation)
    rule_cost = observation.candidates[rule].prediction.cost
    near = _near(observation, rule)
    rows, flat = _Rows(observation, view, now, rule_cost), list[float]()
    for index in near:
        flat += rows.row(observation.candidates[index], is_rule=index == rule)
    if observation.wait_s is not None:
        flat += rows.waiting(observation.wait_s)
        near.append(WAIT)
    flat += _context(observation, view, now, rule_cost=rule_cost)
    return Features(*_bender(len(near)).bent(flat), tuple(near), rule)


def _near(observation: Observation, rule: int) -> list[int]:
    """Return the heuristic's choice and the cheapest others that no rule forbids, in the order of the candidates."""
    candidates = observation.candidates
    allowed = [index for index, one in enumerate(candidates) if one.reason is None]
    if len(allowed) <= MOST_SHOWN:
        return allowed
    allowed.remove(rule)
    others = sorted(allowed, key=lambda index: candidates[index].prediction.cost)
    return sorted((rule, *others[: MOST_SHOWN - 1]))


class _Rows:
    """The rows of one decision; what is the same for all that end on one node is looked up once."""

    def __init__(self, observation: Observation, view: MeshView, now: float, rule_cost: float) -> None:
        self._observation = observation
        self._view = view
        self._now = now
        self._rule_cost = rule_cost
        self._remaining_s = observation.remaining_s
        self._places: dict[NodeId, _Place] = {}
        self._tiers: dict[DeviceClass, tuple[float, float, float]] = {}

    def row(self, candidate: Candidate, *, is_rule: bool) -> tuple[float, ...]:
        """Return the raw figures of a candidate, in the order of the table."""
        expected, hosted, legs, shares = candidate.prediction, candidate.tier, candidate.legs, candidate.shares
        last = legs[-1].node_id if legs else shares[-1].node_id if shares else candidate.node_id
        node, logs, linears = self._places.get(last) or self._place(last)
        known = node.learned.get(hosted.artifact)
        predicted = astuple(expected)[:_N_PREDICTED]
        queue_s, load_s, compute_s, transfer_s, escalation_s, _, _, _, _, cost, _, handling_s, _, _ = predicted
        total_s = queue_s + load_s + compute_s + transfer_s + handling_s + escalation_s
        rank, rate, trend = self._tiers.get(hosted.tier) or self._tier(hosted)
        return (
            *predicted,
            total_s,
            _LONG_S if known is None else self._now - known.at_s,
            *logs,
            self._remaining_s - total_s,
            cost - self._rule_cost,
            1.0,
            0.0,
            1.0 if is_rule else 0.0,
            1.0 if candidate.here else 0.0,
            0.0 if load_s else 1.0,
            0.0 if candidate.codec == RAW else 1.0,
            1.0 if candidate.is_assumed else 0.0,
            1.0 if known is not None and known.samples else 0.0,
            rank,
            hosted.accuracy,
            rate,
            trend,
            float(len(legs)) if legs else 0.0,
            float(len(shares)) if shares else 0.0,
            *linears,
        )

    def waiting(self, wait_s: float) -> tuple[float, ...]:
        """Return the row of waiting."""
        row = [0.0] * N_CANDIDATE
        row[_TOTAL_S], row[_SLACK_S], row[_IS_ALLOWED], row[_IS_WAIT] = wait_s, self._remaining_s - wait_s, 1.0, 1.0
        return tuple(row)

    def _place(self, node_id: NodeId) -> _Place:
        peer = self._view.peer(node_id)
        place = self._places[node_id] = self._own_place() if peer is None else self._peer_place(peer)
        return place

    def _own_place(self) -> _Place:
        own, awake = self._view.own, not self._view.radio.wakes(self._now)
        alive = self._observation.alive / own.profile.slots
        power = own.profile.power
        logs = 0.0, 0.0, alive, 0.0, 0.0, 0.0, _joules_left(own), power.radio_use_joules(is_asleep=not awake)
        return own, logs, _linears(own, awake=awake)

    def _peer_place(self, peer: NodeView) -> _Place:
        profile, telemetry, link = peer.profile, peer.telemetry, peer.link
        assert link is not None, "peers have links"
        ago_s, slots, awake = self._now - peer.heard_s, profile.slots, telemetry.radio_awake
        measured_ago_s = self._now - link.measured_s
        logs = (
            ago_s,
            telemetry.backlog_s - ago_s,
            (telemetry.queued + telemetry.running) / slots,
            link.outstanding / slots,
            link.rtt_s.mean,
            measured_ago_s if measured_ago_s < _LONG_S else _LONG_S,  # noqa: FURB136 - a call takes three times as long
            _joules_left(peer),
            profile.power.radio_use_joules(is_asleep=not awake),
        )
        return peer, logs, _linears(peer, awake=awake)

    def _tier(self, hosted: HostedTier) -> tuple[float, float, float]:
        """Return the rank of a tier, how often its answers escalate, and whether that is on the rise."""
        rate, trend = self._view.escalations.rate(hosted, self._now), self._view.escalations.trend(hosted)
        self._tiers[hosted.tier] = known = float(hosted.tier.rank), rate, trend
        return known


def _joules_left(node: NodeView) -> float:
    joules, fraction = node.profile.power.battery_joules, node.telemetry.battery_fraction
    if joules is None:
        return 0.0
    return joules if fraction is None else joules * fraction


def _linears(node: NodeView, *, awake: bool) -> tuple[float, ...]:
    profile, telemetry = node.profile, node.telemetry
    fraction = telemetry.battery_fraction
    return (
        profile.device_class.rank,
        0.0 if profile.power.battery_joules is None else 1.0,
        1.0 if fraction is None else fraction,
        1.0 if telemetry.charging else 0.0,
        1.0 if awake else 0.0,
    )


def _context(observation: Observation, view: MeshView, now: float, *, rule_cost: float) -> tuple[float, ...]:
    own, settings, wait_s = view.own, view.settings, observation.wait_s
    power, telemetry, slots = own.profile.power, own.telemetry, own.profile.slots
    fraction = 1.0 if telemetry.battery_fraction is None else telemetry.battery_fraction
    joules = power.battery_joules
    return (
        max(0.0, observation.remaining_s),
        wait_s or 0.0,
        max(0.0, rule_cost),
        observation.weighed_ago_s,
        observation.batch,
        observation.input_bytes,
        observation.alive / slots,
        observation.waiting,
        view.arrivals.at(now),
        view.radio.recent.at(now),
        min(_LONG_S, now - view.radio.used_s),
        0.0 if joules is None else joules * fraction,
        settings.price_watts(observation.priority),
        settings.miss_price_joules,
        settings.mains_joule_weight,
        wait_s is not None,
        observation.priority is Priority.EMERGENCY,
        observation.priority is Priority.BACKGROUND,
        0.0 if observation.above is None else observation.above.rank + 1,
        own.profile.device_class.rank,
        joules is not None,
        fraction,
        fraction - settings.battery_floor,
        telemetry.charging,
        not view.radio.wakes(now),
    )


class _Bender:
    """Bends all raw figures of a decision at once: so many rows one after the other, and the context behind them."""

    def __init__(self, n_rows: int) -> None:
        table = CANDIDATE * n_rows + CONTEXT
        self._form = n_rows, N_CANDIDATE
        self._scales = np.array([1.0 / feature.unit for feature in table])
        self._most = np.array([feature.most for feature in table])
        self._least = np.array([0.0 if feature.bend is Bend.LOG else -feature.most for feature in table])
        self._is_linear = np.array([feature.bend is Bend.LINEAR for feature in table])

    def bent(self, flat: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return candidates and context as a network is given them."""
        packed = pack(f"{len(flat)}d", *flat)  # Half of what np.array takes for a list.
        raw = np.frombuffer(packed, np.float64) * self._scales
        bent = np.copysign(np.log1p(np.abs(raw)), raw)
        np.copyto(bent, raw, where=self._is_linear)
        np.maximum(np.minimum(bent, self._most, out=bent), self._least, out=bent)
        figures = bent.astype(np.float32)
        return figures[:-N_CONTEXT].reshape(self._form), figures[-N_CONTEXT:]


_bender = cache(_Bender)
_TOTAL_S, _SLACK_S, _IS_ALLOWED, _IS_WAIT = map(column, ("total_s", "slack_s", "is_allowed", "is_wait"))
