"""What a simulator needs to know of a mesh, fitted to what real daemons took.

Rules of this file:

- A run of k items takes ``compute_s * (1 + further_item * (k - 1))``, by runs that daemons timed themselves.
- What a client waited beyond that, where the node that was asked ran it, is the node's handling: a part for each
  request and a part for each byte. Requests of a burst end sooner one behind the other than one alone does: the
  difference is what waking from rest takes.
- What is left where another node ran it is the link's, codecs apart: twice the delay, and the bytes both ways at its
  rate.
- Medians first, by length, and then a line through these: one pause of a process in ten moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations, product
from math import log
from statistics import fmean, median

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass, HostedTier, NodeProfile
from meshd.core.plan import RAW
from policies.errors import TimingsUnusable
from policies.mesh.question import HOUSEHOLD
from policies.mesh.timings import Timed, Timings
from policies.mesh.windows import Judged

_MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution. Source: Rousseeuw and Croux 1993, JASA 88."""
_LEAST_S = 1e-6
_FASTEST_BPS = 1e11


class NodeFit(Struct, frozen=True, kw_only=True):
    """One node."""

    profile: NodeProfile
    compute_s: float
    """Median of one item."""
    further_item: float
    """Seconds of each further one, as a share of it."""
    spread: float
    """Standard deviation of the logarithm of a run's seconds."""
    load_s: float
    handling_s: float
    """Of each request that comes to it."""
    handling_byte_s: float
    waking_s: float
    """Of one that finds it at rest."""

    def handled_s(self, n_bytes: float) -> float:
        """Return what a request alone, with so many bytes of input, takes beyond runs and ways."""
        return self.waking_s + self.handling_s + self.handling_byte_s * n_bytes


class LinkFit(Struct, frozen=True, kw_only=True):
    """One direction between two nodes."""

    sender: DeviceClass
    receiver: DeviceClass
    delay_s: float
    rate_bps: float
    jitter: float
    """Standard deviation of the logarithm of the delay."""


class RunFit(Struct, frozen=True, kw_only=True):
    """One stand-in on one node."""

    hosted: HostedTier
    """As the node announces it behind its timings."""
    compute_s: float
    """Median of one item."""
    further_item: float
    load_s: float


class StandInFit(Struct, frozen=True, kw_only=True):
    """One stand-in, on every node that hosts it."""

    model: ModelName
    input_bytes: int
    result_bytes: int
    ratios: Mapping[str, float]
    runs: Mapping[DeviceClass, RunFit]
    timed: tuple[Timed, ...] = ()
    """What it was fitted to."""


class Calibration(Struct, frozen=True, kw_only=True):
    """A mesh as timed."""

    model: ModelName
    input_bytes: int
    """Of one item."""
    result_bytes: int
    """Of one item's answer; the mean of the tiers."""
    alarm_at: float | None
    ratios: Mapping[str, float]
    nodes: Mapping[DeviceClass, NodeFit]
    links: tuple[LinkFit, ...]
    judged: Judged
    stand_ins: tuple[StandInFit, ...] = ()
    """Other models; of links and handling the first one's timings tell."""

    def of(self, model: ModelName) -> Calibration | StandInFit:
        """Return what knows the bytes and ratios of a model."""
        known: tuple[Calibration | StandInFit, ...] = (self, *self.stand_ins)
        return next(one for one in known if one.model == model)

    def tier(self, name: DeviceClass, model: ModelName) -> HostedTier:
        """Return what a node announces of a model that it hosts."""
        known = self.of(model)
        return known.runs[name].hosted if isinstance(known, StandInFit) else known.nodes[name].profile.hosted[0]


class Line(Struct, frozen=True):
    """y = at_zero + slope * x."""

    at_zero: float
    slope: float

    def at(self, x: float) -> float:
        """Return y."""
        return self.at_zero + self.slope * x


def line(points: Iterable[tuple[float, float]]) -> Line:
    """Return a line through the medians of y at each x, by relative errors; it neither falls nor begins below 0."""
    by_x: dict[float, list[float]] = {}
    for x, y in points:
        by_x.setdefault(x, []).append(y)
    xs = np.array(sorted(by_x))
    ys = np.array([max(_LEAST_S, median(by_x[x])) for x in xs])
    if len(xs) == 1:
        return Line(float(ys[0]), 0.0)
    slope, at_zero = (float(one) for one in np.polyfit(xs, ys, 1, w=1.0 / ys))
    if slope < 0.0:
        return Line(float(np.median(ys)), 0.0)
    return Line(at_zero, slope) if at_zero >= 0.0 else Line(0.0, float(np.median(ys / np.maximum(xs, _LEAST_S))))


def calibrated(timings: Timings, model: ModelName) -> Calibration:
    """Return the mesh that these timings tell of.

    Raises:
        TimingsUnusable: of some pair of nodes no question was answered.
    """
    alone = [timed for timed in timings.alone if len(timed.heard.runs) == 1]
    _check(timings, alone)
    nodes = {name: _node(name, alone, timings) for name in HOUSEHOLD}
    result_bytes = round(fmean(_answer_bytes(name, alone) for name in HOUSEHOLD))
    unlinked = Calibration(
        model=model,
        input_bytes=timings.input_bytes,
        result_bytes=result_bytes,
        alarm_at=timings.alarm_at,
        ratios=timings.ratios,
        nodes=nodes,
        links=(),
        judged=timings.judged,
    )
    return replace(unlinked, links=tuple(_link(*pair, alone, unlinked) for pair in permutations(HOUSEHOLD, 2)))


def _check(timings: Timings, alone: Iterable[Timed]) -> None:
    """Find an answer for each pair of nodes: every figure of a fit is some pair's."""
    answered = {(timed.question.node, timed.heard.tier) for timed in alone}
    for asked, ran in product(HOUSEHOLD, HOUSEHOLD):
        if (asked, ran) not in answered:
            wanted = [one for one in timings.alone if (one.question.node, one.question.place) == (asked, ran.value)]
            ends = ", ".join(sorted({one.heard.code or "escalated" for one in wanted})) or "never asked"
            raise TimingsUnusable(
                f"The {asked} got no answer that the {ran} alone had run: {ends}.",
                hint="Record anew when the machine has less to do; with --keep the daemons' logs stay.",
            )


def _node(name: DeviceClass, alone: Sequence[Timed], timings: Timings) -> NodeFit:
    profile = timings.profiles[name]
    runs = [(timed.question.items, timed.heard.runs[0].compute_s) for timed in alone if timed.heard.tier is name]
    run = line((items, seconds) for items, seconds in runs)
    own = [timed for timed in alone if timed.question.node is name and timed.heard.tier is name]
    handling = line((timed.question.items * timings.input_bytes, _beyond_run(timed)) for timed in own)
    compute_s = run.at(1.0)
    loads = [_beyond_run(timed) - handling.at(timings.input_bytes) for timed in timings.cold if _runs_on(timed, name)]
    alone_s = max(0.0, handling.at_zero)
    one_s = compute_s + handling.at(timings.input_bytes)
    handling_s = min(alone_s, _apart_s(name, timings.bursts, one_s=one_s, default=alone_s))
    return NodeFit(
        profile=profile,
        compute_s=compute_s,
        further_item=run.slope / compute_s,
        spread=_deviation([log(seconds / run.at(items)) for items, seconds in runs]),
        load_s=max(_LEAST_S, *loads) if loads else profile.hosted[0].load_s,
        handling_s=handling_s,
        handling_byte_s=handling.slope,
        waking_s=alone_s - handling_s,
    )


def _link(sender: DeviceClass, receiver: DeviceClass, alone: Sequence[Timed], fit: Calibration) -> LinkFit:
    crossed = [timed for timed in alone if timed.question.node is sender and timed.heard.tier is receiver]
    points = [(_link_bytes(timed, fit), _on_link(timed, fit)) for timed in crossed]
    way = line(points)
    delay_s = max(_LEAST_S, way.at_zero / 2.0)
    apart_s = _deviation([seconds - way.at(n_bytes) for n_bytes, seconds in points]) / 2.0**0.5
    return LinkFit(
        sender=sender,
        receiver=receiver,
        delay_s=delay_s,
        rate_bps=min(_FASTEST_BPS, 8.0 / max(way.slope, _LEAST_S**2)),
        jitter=min(1.0, apart_s / delay_s),
    )


def _apart_s(name: DeviceClass, bursts: Iterable[Sequence[Timed]], *, one_s: float, default: float) -> float:
    """Return how long one behind another the requests of a burst end, where one alone takes ``one_s``.

    The last one tells: answers to several are often written at once.
    """
    found = []
    for burst in bursts:
        if len(burst) > 1 and all(_runs_on(timed, name) for timed in burst):
            ended_s = max(timed.heard.sent_s + timed.heard.seconds for timed in burst)
            found.append(max(0.0, ended_s - burst[0].heard.sent_s - one_s) / (len(burst) - 1))
    return median(found) if found else default


def _link_bytes(timed: Timed, fit: Calibration) -> float:
    """Return what crossed the link, out and back."""
    ratio = fit.ratios.get(timed.heard.runs[0].codec, 1.0)
    return timed.question.items * (fit.input_bytes * ratio + fit.result_bytes)


def _on_link(timed: Timed, fit: Calibration) -> float:
    """Return what the client waited beyond the run, both nodes' handling, and codecs."""
    question, run = timed.question, timed.heard.runs[0]
    ways = {way.codec: way.seconds for way in fit.nodes[question.node].profile.hosted[0].ways}
    n_bytes = question.items * fit.input_bytes
    handled_s = sum(fit.nodes[name].handled_s(n_bytes) for name in (question.node, run.node))
    codec_s = 0.0 if run.codec == RAW else ways.get(run.codec, 0.0) * question.items
    return _beyond_run(timed) - handled_s - codec_s


def _beyond_run(timed: Timed) -> float:
    return timed.heard.seconds - timed.heard.queue_s - timed.heard.runs[0].compute_s


def _runs_on(timed: Timed, name: DeviceClass) -> bool:
    return timed.heard.tier is name and timed.question.node is name


def _answer_bytes(name: DeviceClass, alone: Sequence[Timed]) -> float:
    return median(timed.heard.answer_bytes / timed.question.items for timed in alone if timed.heard.tier is name)


def _deviation(row: Sequence[float]) -> float:
    """Return a standard deviation that outliers do not move."""
    middle = median(row)
    return _MAD_TO_DEVIATION * median(abs(one - middle) for one in row)
