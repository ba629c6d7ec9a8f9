"""What real requests have cost, by the formula that rewards are computed with in the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from statistics import fmean, stdev

import numpy as np
from msgspec import Struct

from meshd.core.node import DeviceClass
from meshd.core.settings import Settings
from policies.mesh.calibration import Calibration
from policies.mesh.question import Heard, Question, Run
from policies.mesh.rehearsal import Rehearsal
from policies.mesh.world import truth_of

_BLOCKS, _SURE = 10, 2.262
"""Of consecutive requests, and how many standard errors either side of the mean of so many is (Student's t, 95 %)."""


class Prices(Struct, frozen=True, kw_only=True):
    """What seconds, joules and misses cost."""

    settings: Settings
    missed_anomaly_joules: float


class Parts(Struct, frozen=True, kw_only=True):
    """What a request has cost, in joules, by what for."""

    seconds: float = 0.0
    joules: float = 0.0
    """Of all nodes, those from the mains at a discount."""
    misses: float = 0.0
    """For want of an answer, and for an anomaly that was not told."""

    @property
    def whole(self) -> float:
        """Return all of it."""
        return self.seconds + self.joules + self.misses

    @classmethod
    def mean(cls, rows: Iterable[Parts]) -> Parts:
        """Return the mean of several."""
        known = list(rows)
        return cls(
            seconds=fmean(one.seconds for one in known),
            joules=fmean(one.joules for one in known),
            misses=fmean(one.misses for one in known),
        )


class Gain(Struct, frozen=True, kw_only=True):
    """What one policy gains over another for each request, in joules."""

    mean: float
    low: float | None
    high: float | None
    """The 95 % interval of the mean; none of less than two requests a block."""

    @classmethod
    def of(cls, ours: Sequence[Parts], theirs: Sequence[Parts]) -> Gain:
        """Return what costs tell of the same requests, both in the order in which they were asked.

        Requests of one run hang together: by queues, a radio that is awake, a model in memory, what estimates have
        learned. So the interval is of the means of consecutive blocks, as if these were independent (batch means;
        Schmeiser 1982). Ten of them, the fewest that he advises, are as long as can be: of a load of two minutes twelve
        seconds each, which outlasts queues and radios. A wait of a minute is longer, and so may be what a node learns:
        of that the interval knows nothing.
        """
        gains = [b.whole - a.whole for a, b in zip(ours, theirs, strict=True)]
        mean = fmean(gains)
        if len(gains) < 2 * _BLOCKS:
            return cls(mean=mean, low=None, high=None)
        blocks = [float(block.mean()) for block in np.array_split(np.array(gains), _BLOCKS)]
        around = _SURE * stdev(blocks) / sqrt(_BLOCKS)
        return cls(mean=mean, low=mean - around, high=mean + around)


def realised(load: Sequence[Question], heard: Sequence[Heard], calibration: Calibration, prices: Prices) -> list[Parts]:
    """Return what each question of a load has cost in the mesh, in its order.

    What joules a request took that nobody answered is not known, and counts nothing.
    """
    ended = {one.number: one for one in heard}
    return [_parts(question, ended[number], calibration, prices) for number, question in enumerate(load)]


def simulated(load: Sequence[Question], rehearsal: Rehearsal, prices: Prices) -> list[Parts]:
    """Return what each question of a load has cost in the simulator, in its order."""
    ended = {one.request: one for one in rehearsal.ends}
    joules: dict[int, float] = {}
    for charge in rehearsal.charges:
        joules[charge.request] = joules.get(charge.request, 0.0) + charge.cost
    rows = []
    for number, question in enumerate(load):
        seconds = ended[number].seconds * prices.settings.price_watts(question.priority)
        rows.append(Parts(seconds=seconds, joules=joules.get(number, 0.0), misses=ended[number].cost - seconds))
    return rows


def _parts(question: Question, heard: Heard, calibration: Calibration, prices: Prices) -> Parts:
    settings, truth = prices.settings, truth_of(question, calibration)
    if heard.tier is None:
        hides = truth.is_anomaly and any(truth.called_by(tier, calibration.alarm_at) for tier in DeviceClass)
    else:
        hides = truth.is_missed_by(heard.tier, calibration.alarm_at)
    return Parts(
        seconds=heard.seconds * settings.price_watts(question.priority),
        joules=_joules(question, heard, calibration, settings.mains_joule_weight),
        misses=settings.miss_price_joules * heard.is_missed + prices.missed_anomaly_joules * hides,
    )


def _joules(question: Question, heard: Heard, calibration: Calibration, mains_weight: float) -> float:
    """Return the joules of all nodes, those from the mains at a discount.

    What bytes and waking took is as daemons estimate it. A run takes its seconds at the node's watts, as in the
    simulator, and not what daemons make of its multiply-accumulates.
    """
    joules = heard.joules - (1.0 - mains_weight) * sum(_sent_from_mains(question, heard, calibration))
    for run in heard.runs:
        power = calibration.nodes[run.node].profile.power
        weight = mains_weight if _is_on_mains(run.node, calibration) else 1.0
        items = _own_items(question, run)
        told = power.compute_joules(calibration.tier(run.node, question.model).macs * items)
        joules += weight * run.compute_s * items / run.items * power.active_watts - told
    return joules


def _sent_from_mains(question: Question, heard: Heard, calibration: Calibration) -> Iterator[float]:
    """Yield the joules of the bytes in and out of nodes on the mains."""
    before, known = question.node, calibration.of(question.model)
    for run in heard.runs:
        if run.items < question.items:
            before = question.node  # Who asks sends each node its own items; stages follow one another.
        if run.node is not before:
            n_bytes = _own_items(question, run) * (
                known.input_bytes * known.ratios.get(run.codec, 1.0) + known.result_bytes
            )
            for end in (before, run.node):
                if _is_on_mains(end, calibration):
                    yield n_bytes * calibration.nodes[end].profile.power.radio_joules_per_byte
        before = run.node


def _own_items(question: Question, run: Run) -> int:
    """Return how many of a run's items were the question's: of several runs each may have had a part of them."""
    return min(question.items, run.items)


def _is_on_mains(name: DeviceClass, calibration: Calibration) -> bool:
    return calibration.nodes[name].profile.power.battery_joules is None


def mean_of_rounds(rounds: Sequence[Sequence[Parts]]) -> list[Parts]:
    """Return what each request has cost in the mean of all rounds, in the order of the load."""
    return [Parts.mean(row) for row in zip(*rounds, strict=True)]
