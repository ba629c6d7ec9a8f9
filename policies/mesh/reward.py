"""What real requests have cost, by the formula that rewards are computed with in the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from statistics import fmean, stdev

from msgspec import Struct

from meshd.core.node import DeviceClass
from meshd.core.settings import Settings
from policies.mesh.calibration import Calibration
from policies.mesh.question import Heard, Question
from policies.mesh.rehearsal import Rehearsal
from policies.mesh.world import truth_of
from policies.simulator import Use

_SURE = 1.96
"""Standard errors on either side of a mean that hold 95 % of a normal distribution."""


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
    low: float
    high: float
    """The 95 % interval of the mean, over requests."""

    @classmethod
    def of(cls, ours: Sequence[Parts], theirs: Sequence[Parts]) -> Gain:
        """Return what costs tell of the same requests, in the same order."""
        gains = [b.whole - a.whole for a, b in zip(ours, theirs, strict=True)]
        mean = fmean(gains)
        around = _SURE * stdev(gains) / sqrt(len(gains)) if len(gains) > 1 else float("inf")
        return cls(mean=mean, low=mean - around, high=mean + around)


def realised(load: Sequence[Question], heard: Sequence[Heard], calibration: Calibration, prices: Prices) -> list[Parts]:
    """Return what each question of a load has cost in the mesh, in its order, by what daemons estimate.

    What joules a request took that nobody answered is not known, and counts nothing.
    """
    ended = {one.number: one for one in heard}
    return [_parts(question, ended[number], calibration, prices) for number, question in enumerate(load)]


def simulated(load: Sequence[Question], rehearsal: Rehearsal, calibration: Calibration, prices: Prices) -> list[Parts]:
    """Return what each question of a load has cost in the simulator, in its order, as daemons would estimate it.

    Their estimate of a run is by multiply-accumulates, and knows of no item that takes less than the first.
    """
    ended = {one.request: one for one in rehearsal.ends}
    from_mains = _simulated_from_mains(load, rehearsal, calibration)
    rows = []
    for number, question in enumerate(load):
        seconds = ended[number].seconds * prices.settings.price_watts(question.priority)
        discount = (1.0 - prices.settings.mains_joule_weight) * from_mains.get(number, 0.0)
        joules = ended[number].told_joules - discount
        rows.append(Parts(seconds=seconds, joules=joules, misses=ended[number].cost - seconds))
    return rows


def _simulated_from_mains(load: Sequence[Question], rehearsal: Rehearsal, calibration: Calibration) -> dict[int, float]:
    """Return the joules of nodes on the mains, by request: of bytes as charged, of runs as estimated."""
    fits = [fit for name, fit in calibration.nodes.items() if _is_on_mains(name, calibration)]
    profiles = {fit.profile.node_id: fit.profile for fit in fits}
    charges = [charge for charge in rehearsal.charges if charge.node_id in profiles]
    found: dict[int, float] = {}
    for charge in charges:
        if charge.use is Use.RADIO:
            found[charge.request] = found.get(charge.request, 0.0) + charge.joules
    for request, node_id in {(one.request, one.node_id) for one in charges if one.use is Use.COMPUTE}:
        profile = profiles[node_id]
        ran = profile.power.compute_joules(profile.hosted[0].macs * load[request].items)
        found[request] = found.get(request, 0.0) + ran
    return found


def _parts(question: Question, heard: Heard, calibration: Calibration, prices: Prices) -> Parts:
    settings, truth = prices.settings, truth_of(question, calibration)
    if heard.tier is None:
        hides = truth.is_anomaly and any(truth.called_by(tier, calibration.alarm_at) for tier in DeviceClass)
    else:
        hides = truth.is_missed_by(heard.tier, calibration.alarm_at)
    discount = (1.0 - settings.mains_joule_weight) * sum(_from_mains(question, heard, calibration))
    return Parts(
        seconds=heard.seconds * settings.price_watts(question.priority),
        joules=heard.joules - discount,
        misses=settings.miss_price_joules * heard.is_missed + prices.missed_anomaly_joules * hides,
    )


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


def mean_of_rounds(rounds: Sequence[Sequence[Parts]]) -> list[Parts]:
    """Return what each request has cost in the mean of all rounds, in the order of the load."""
    return [Parts.mean(row) for row in zip(*rounds, strict=True)]
