"""Heartbeats with bytes behind them, between two nodes: their echo measures the link, and nothing else."""

from __future__ import annotations

from meshd.core.node import Telemetry
from meshd.core.probing import STEPS_BYTES
from meshd.wire.messages import Heartbeat
from tests.daemon.mesh import Member, until

Trio = tuple[Member, Member, Member]


async def test_an_echo_tells_of_the_rate_to_who_sent_the_bytes_and_of_nothing_to_who_got_them(household: Trio) -> None:
    watch, phone, _ = household
    there, back = watch.node.scheduler.view.link_to(phone.id), phone.node.scheduler.view.link_to(watch.id)
    there.probed_s = 0.0
    trips = there.rtt_s.samples
    watch.node.neighbourhood.probe(phone.id, Heartbeat(sequence=7, telemetry=Telemetry()), STEPS_BYTES[-1])
    await until(lambda: there.is_rate_measured)
    assert there.sizes_bytes[-1] == STEPS_BYTES[-1]
    assert there.rtt_s.samples == trips
    assert not back.is_rate_measured


async def test_an_echo_that_is_another_heartbeats_measures_no_rate(household: Trio) -> None:
    watch, phone, _ = household
    link, telemetry = watch.node.scheduler.view.link_to(phone.id), Telemetry()
    heard = len(watch.received)
    watch.node.neighbourhood.probe(phone.id, Heartbeat(sequence=7, telemetry=telemetry), 0)
    watch.node.neighbourhood.send(phone.id, Heartbeat(sequence=8, telemetry=telemetry))
    await until(lambda: len(watch.received) >= heard + 2)
    assert not link.is_rate_measured
