"""Timings that a mesh would have given whose every figure is known."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from msgspec.structs import replace

from meshd.core.node import DeviceClass, NodeProfile, Way
from meshd.core.request import Privacy
from policies.mesh.calibration import Calibration, LinkFit, NodeFit
from policies.mesh.question import HOUSEHOLD, MODEL, Heard, Question, Run
from policies.mesh.timings import LENGTHS, Timed, Timings
from policies.mesh.windows import Judged
from tests.core.builders import CALM, hub, phone, tier, watch

WATCH, PHONE, HUB = HOUSEHOLD
WINDOW_BYTES, RESULT_BYTES = 1_000, 100
FLAC = Way(codec="flac", ratio=0.5, seconds=0.0002)
RATIOS = {"flac": 0.25}
"""These windows are calmer than those of the manifest."""
CALM_WINDOWS = Judged(scores=dict.fromkeys(HOUSEHOLD, (CALM,) * 40), is_anomaly=(False,) * 40)


def profile(name: DeviceClass) -> NodeProfile:
    """A node of the household as it announces itself."""
    make = {WATCH: watch, PHONE: phone, HUB: hub}[name]
    hosted = replace(tier(name, ways=(FLAC,)), model=MODEL)
    return replace(make(hosted, name=name.value), codecs=(FLAC.codec,))


def node_fit(name: DeviceClass, **changes: Any) -> NodeFit:
    plain = NodeFit(
        profile=profile(name),
        compute_s={WATCH: 0.002, PHONE: 0.001, HUB: 0.004}[name],
        further_item={WATCH: 0.5, PHONE: 0.25, HUB: 1.0}[name],
        spread=0.0,
        load_s=0.03,
        handling_s=0.0005,
        handling_byte_s=1e-8,
        waking_s=0.001,
    )
    return replace(plain, **changes)


def link_fit(sender: DeviceClass, receiver: DeviceClass) -> LinkFit:
    slow = WATCH in {sender, receiver}
    return LinkFit(
        sender=sender,
        receiver=receiver,
        delay_s=0.01 if slow else 0.003,
        rate_bps=1e6 if slow else 2e7,
        jitter=0.0,
    )


def mesh(**changes: Any) -> Calibration:
    """A mesh whose every figure is known."""
    plain = Calibration(
        model=MODEL,
        input_bytes=WINDOW_BYTES,
        result_bytes=RESULT_BYTES,
        alarm_at=0.5,
        ratios=RATIOS,
        nodes={name: node_fit(name) for name in HOUSEHOLD},
        links=tuple(link_fit(a, b) for a, b in product(HOUSEHOLD, HOUSEHOLD) if a is not b),
        judged=CALM_WINDOWS,
    )
    return replace(plain, **changes)


def run_s(truth: Calibration, name: DeviceClass, items: int) -> float:
    fit = truth.nodes[name]
    return fit.compute_s * (1.0 + fit.further_item * (items - 1))


def timed(truth: Calibration, asked: DeviceClass, ran: DeviceClass, items: int, *, late_s: float = 0.0) -> Timed:
    """What one request alone takes on such a mesh."""
    n_bytes, compute_s = items * WINDOW_BYTES, run_s(truth, ran, items)
    seconds = compute_s + truth.nodes[asked].handled_s(n_bytes) + late_s
    codec = "raw"
    if asked is not ran:
        codec = FLAC.codec
        crossing = items * (WINDOW_BYTES * RATIOS[codec] + RESULT_BYTES)
        link = {(one.sender, one.receiver): one for one in truth.links}[asked, ran]
        seconds += truth.nodes[ran].handled_s(n_bytes) + FLAC.seconds * items
        seconds += 2.0 * link.delay_s + crossing * 8.0 / link.rate_bps
    run = Run(node=ran, compute_s=compute_s, items=items, codec=codec, score=CALM)
    return Timed(
        question=Question(at_s=0.0, node=asked, window=0, items=items, place=ran.value),
        heard=Heard(number=0, sent_s=0.0, seconds=seconds, runs=(run,), answer_bytes=items * RESULT_BYTES),
    )


def cold(truth: Calibration, name: DeviceClass) -> Timed:
    first = timed(truth, name, name, 1, late_s=truth.nodes[name].load_s)
    return replace(first, question=replace(first.question, privacy=Privacy.DEVICE))


def burst(truth: Calibration, name: DeviceClass, n_requests: int = 5) -> tuple[Timed, ...]:
    """Requests at once, each of which ends so long behind the one before as handling takes."""
    apart_s = truth.nodes[name].handling_s
    return tuple(timed(truth, name, name, 1, late_s=number * apart_s) for number in range(n_requests))


def timings(truth: Calibration, *, repeats: int = 3) -> Timings:
    """What a calibration load gives on such a mesh."""
    pairs = product(HOUSEHOLD, HOUSEHOLD, LENGTHS)
    alone = [timed(truth, asked, ran, items) for asked, ran, items in pairs for _ in range(repeats)]
    return Timings(
        profiles={name: profile(name) for name in HOUSEHOLD},
        ratios=RATIOS,
        input_bytes=WINDOW_BYTES,
        alarm_at=truth.alarm_at,
        judged=truth.judged,
        cold=tuple(cold(truth, name) for name in HOUSEHOLD),
        alone=tuple(alone),
        bursts=tuple(burst(truth, name) for name in HOUSEHOLD),
    )


def figures(calibration: Calibration) -> Mapping[str, tuple[float, ...]]:
    """All that was fitted, by node and link."""
    nodes = {
        name.value: (
            fit.compute_s,
            fit.further_item,
            fit.spread,
            fit.load_s,
            fit.handling_s,
            fit.handling_byte_s,
            fit.waking_s,
        )
        for name, fit in calibration.nodes.items()
    }
    links = {f"{one.sender}-{one.receiver}": (one.delay_s, one.rate_bps, one.jitter) for one in calibration.links}
    return nodes | links
