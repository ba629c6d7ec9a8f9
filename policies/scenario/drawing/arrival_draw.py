"""Requests of a world: when each node's clients ask for what, how urgently, and what their inputs truly hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd.core.ids import ModelName, RequestId
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Request
from policies.scenario.arrival import Arrival
from policies.scenario.dice import Dice
from policies.scenario.drawing.node_draw import Member
from policies.scenario.drawing.truth_draw import Mood, draw_truth
from policies.scenario.family import Family, StreamForm
from policies.scenario.model_catalogue import catalogue
from policies.scenario.scenario import Split
from policies.scenario.sources import synthetic
from policies.scenario.sources.arrival_trace import SPEED, arrivals_of

_URGENT = 0.25
"""An emergency's deadline, as a share of the stream's."""

_PERIODIC_JITTER = 0.02
"""Standard deviation of when a periodic request comes, as a share of the period: a client's own scheduling."""


class ArrivalDraw:
    """Draws the arrivals of one world."""

    def __init__(self, family: Family, split: Split, recording: Path | None, dice: Dice) -> None:
        self._streams = family.streams
        self._horizon_s = family.horizon_s
        self._trace = arrivals_of(recording, split) if recording is not None else None
        self._dice = dice

    def arrivals(self, members: list[Member]) -> tuple[Arrival, ...]:
        """Return all arrivals, the earliest first, numbered in this order."""
        unsorted = [
            arrival
            for position, stream in enumerate(self._streams)
            for member in members
            if member.form.name == stream.node
            for arrival in self._of(stream, member, f"stream {position}")
        ]
        in_order = sorted(unsorted, key=lambda arrival: arrival.at_s)
        return tuple(
            replace(arrival, request=replace(arrival.request, request_id=RequestId(str(number))))
            for number, arrival in enumerate(in_order)
        )

    def _of(self, stream: StreamForm, member: Member, place: str) -> Iterator[Arrival]:
        names = (member.node.profile.name, place)
        model = catalogue()[stream.model]
        mood = Mood.drawn(self._horizon_s, self._dice, *names)
        deadline_s = self._dice.between(stream.deadline_s, *names, "deadline_s")
        anomaly_share = self._dice.between(stream.anomaly_share, *names, "anomaly_share")
        for number, (at_s, size) in enumerate(self._times(stream, *names)):
            key = (*names, str(number))
            yield Arrival(
                at_s=at_s,
                node_id=member.node.node_id,
                request=self._request(stream, deadline_s, size, *key),
                truth=draw_truth(model, anomaly_share, mood.factor(at_s), self._dice, *key),
            )

    def _request(self, stream: StreamForm, deadline_s: float, size: float, *key: str) -> Request:
        priority = stream.priorities.of(self._dice.share(*key, "priority"))
        items, model = _items(stream, size), catalogue()[stream.model]
        wants_largest = self._dice.happens(stream.largest_tier_share, *key, "largest")
        return Request(
            request_id=RequestId(""),
            model=ModelName(stream.model),
            input_bytes=model.input_bytes * items,
            deadline_s=self._deadline_s(stream, priority, deadline_s, *key),
            batch=items,
            priority=priority,
            privacy=stream.privacy,
            min_tier=max((tier.tier for tier in model.tiers), key=_rank) if wants_largest else None,
        )

    def _deadline_s(self, stream: StreamForm, priority: Priority, deadline_s: float, *key: str) -> float:
        match priority:
            case Priority.EMERGENCY:
                return deadline_s * _URGENT
            case Priority.NORMAL:
                return deadline_s
            case Priority.BACKGROUND:
                return self._dice.between(stream.background_deadline_s, *key, "background deadline")

    def _times(self, stream: StreamForm, *names: str) -> Iterator[tuple[float, float]]:
        """Yield when each request comes and how large it is beside the others, a share in [0, 1)."""
        rate_per_s = self._dice.between(stream.rate_per_s, *names, "rate")
        rng = self._dice.stream(*names, "arrivals")
        if stream.pattern == "bursty" and self._trace is not None:
            times_s, sizes = self._trace.drawn(rate_per_s, self._horizon_s, rng)
        else:
            times_s = self._own_times(stream, rate_per_s, rng)
            sizes = rng.random(len(times_s))
        yield from zip(times_s.tolist(), sizes.tolist(), strict=True)

    def _own_times(self, stream: StreamForm, rate_per_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
        if stream.pattern == "bursty":
            return synthetic.arrival_times(rate_per_s, self._horizon_s, SPEED, rng)
        period_s = 1.0 / rate_per_s
        times_s = rng.uniform(0.0, period_s) + period_s * np.arange(int(self._horizon_s / period_s))
        times_s += period_s * _PERIODIC_JITTER * rng.standard_normal(len(times_s))
        in_order: NDArray[np.float64] = np.sort(times_s)
        return in_order[(in_order >= 0.0) & (in_order < self._horizon_s)]


def _items(stream: StreamForm, size: float) -> int:
    low, high = stream.items
    return low + int(size * (high - low + 1))


def _rank(tier: DeviceClass) -> int:
    return tier.rank
