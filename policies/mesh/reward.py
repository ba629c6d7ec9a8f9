"""What real requests have cost, by the formula that rewards are computed with in the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from statistics import fmean, stdev

from msgspec import Struct

from meshd.core.node import DeviceClass
from meshd.core.settings import Settings
from policies.mesh.calibration import Calibration
from policies.mesh.question import Heard, Question
from policies.mesh.world import truth_of

_SURE = 1.96
"""Standard errors on either side of a mean that hold 95 % of a normal distribution."""


class Prices(Struct, frozen=True, kw_only=True):
    """What seconds, joules and misses cost."""

    settings: Settings
    missed_anomaly_joules: float


class Gain(Struct, frozen=True, kw_only=True):
    """What one policy gains over another for each request, in joules."""

    mean: float
    low: float
    high: float
    """The 95 % interval of the mean, over requests."""

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> Gain:
        """Return what costs tell of the same requests, in the same order."""
        gains = [b - a for a, b in zip(ours, theirs, strict=True)]
        mean = fmean(gains)
        around = _SURE * stdev(gains) / sqrt(len(gains)) if len(gains) > 1 else float("inf")
        return cls(mean=mean, low=mean - around, high=mean + around)


def realised(
    load: Sequence[Question], heard: Sequence[Heard], calibration: Calibration, prices: Prices
) -> dict[int, float]:
    """Return what each question of a load has cost, in joules, by its number.

    That is the price of its seconds, its joules as daemons estimate them, those from the mains at a discount, and the
    price of a miss or of an anomaly that was not told. What joules a request took that nobody answered is not known.
    """
    return {one.number: _cost(load[one.number], one, calibration, prices) for one in heard}


def _cost(question: Question, heard: Heard, calibration: Calibration, prices: Prices) -> float:
    settings, truth = prices.settings, truth_of(question, calibration)
    seconds = heard.seconds * settings.price_watts(question.priority)
    if heard.tier is None:
        calls = any(truth.called_by(tier, calibration.alarm_at) for tier in DeviceClass)
        hides = truth.is_anomaly and calls
        return seconds + settings.miss_price_joules + prices.missed_anomaly_joules * hides
    hides = truth.is_missed_by(heard.tier, calibration.alarm_at)
    discount = (1.0 - settings.mains_joule_weight) * sum(_from_mains(question, heard, calibration))
    return seconds + heard.joules - discount + prices.missed_anomaly_joules * hides


def _from_mains(question: Question, heard: Heard, calibration: Calibration) -> Iterator[float]:
    """Yield the joules of nodes on the mains: their runs, and the bytes in and out of them."""
    before = question.node
    for run in heard.runs:
        hosted = calibration.nodes[run.node].profile.hosted[0]
        if _is_on_mains(run.node, calibration):
            yield calibration.nodes[run.node].profile.power.compute_joules(hosted.macs * question.items)
        if run.node is not before:
            n_bytes = question.items * calibration.input_bytes * calibration.ratios.get(run.codec, 1.0)
            for end in (before, run.node):
                if _is_on_mains(end, calibration):
                    power = calibration.nodes[end].profile.power
                    yield (n_bytes + question.items * calibration.result_bytes) * power.radio_joules_per_byte
        before = run.node


def _is_on_mains(name: DeviceClass, calibration: Calibration) -> bool:
    return calibration.nodes[name].profile.power.battery_joules is None


def mean_of_rounds(rounds: Sequence[Mapping[int, float]]) -> list[float]:
    """Return what each request has cost in the mean of all rounds, in the order of the load."""
    return [fmean(costs[number] for costs in rounds) for number in sorted(rounds[0])]
