"""Links are measured before anything large has to pass them: seldom, little by little, and slow ones hardly at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from meshd.core import events
from meshd.core.commands import Announce
from meshd.core.link import Doubt, Link
from meshd.core.node import NodeProfile
from meshd.core.probing import BATTERY_INTERVAL_S, MAINS_INTERVAL_S, MOST_S, STEPS_BYTES
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import arrived, power, scheduler, step, warm
from tests.core.parts import cut_tier, member, seen

MODEL = cut_tier((0.001,), ())
BAND, KITCHEN = member("band", MODEL), member("kitchen", MODEL)
RTT_S = 0.004


def shaped(rate_bps: float, *, bucket_bytes: int = 32_768) -> Callable[[int], float]:
    """A link that lets its first bytes pass at full speed."""
    return lambda n_bytes: RTT_S + max(0, n_bytes - bucket_bytes) * 8.0 / rate_bps


def even(rate_bps: float) -> Callable[[int], float]:
    return lambda n_bytes: RTT_S + n_bytes * 8.0 / rate_bps


def probes(
    made: Scheduler,
    takes_s: Callable[[int], float],
    *,
    seconds: int,
    since_s: int = 0,
    peer: NodeProfile = KITCHEN,
    rtt_s: float = RTT_S,
) -> list[tuple[int, int]]:
    """When heartbeats had how many bytes behind them, where each echo comes as quickly as the link lets it."""
    found = []
    for second in range(since_s, since_s + seconds):
        beat = events.PeerHeard(node_id=peer.node_id, telemetry=warm(peer), rtt_s=rtt_s)
        for command in made.handle(beat, float(second)):
            if isinstance(command, Announce) and command.probed is not None:
                n_bytes = command.probe_bytes
                found.append((second, n_bytes))
                echo = events.PeerHeard(
                    node_id=command.probed, telemetry=warm(peer), rtt_s=takes_s(n_bytes), probe_bytes=n_bytes
                )
                made.handle(echo, second + takes_s(n_bytes))
    return found


def link(made: Scheduler) -> Link:
    return made.view.link_to(KITCHEN.node_id)


@pytest.mark.parametrize(
    "takes_s", [even(50e6), even(1e9), shaped(20e6), shaped(200e6)], ids=["50", "1000", "shaped 20", "shaped 200"]
)
def test_a_quick_link_is_known_after_a_few_seconds_and_three_small_steps(takes_s: Callable[[int], float]) -> None:
    made = scheduler(BAND, KITCHEN)
    assert [n_bytes for _, n_bytes in probes(made, takes_s, seconds=30)] == list(STEPS_BYTES)
    assert link(made).is_rate_measured
    assert link(made).transfer_s(600_000) == pytest.approx(takes_s(600_000), rel=0.6)


def test_a_slow_radio_is_asked_for_a_packet_or_two_and_stays_assumed() -> None:
    made = scheduler(BAND, KITCHEN)
    assert [n_bytes for _, n_bytes in probes(made, even(1e6), seconds=600)] == list(STEPS_BYTES[:1])
    assert not link(made).is_rate_measured


def test_one_whose_class_is_known_to_be_too_slow_for_that_is_left_alone() -> None:
    slow = replace(KITCHEN, power=replace(KITCHEN.power, radio_bps=1e5))
    assert probes(scheduler(BAND, slow), even(1e5), seconds=60, peer=slow) == []


@pytest.mark.parametrize(("on_battery", "interval_s"), [(False, MAINS_INTERVAL_S), (True, BATTERY_INTERVAL_S)])
def test_it_is_measured_anew_after_long_silence_and_on_battery_rarely(*, on_battery: bool, interval_s: float) -> None:
    band = replace(BAND, power=power(on_battery=on_battery))
    made = scheduler(band, KITCHEN)
    probes(made, even(50e6), seconds=30)
    since_s = int(link(made).measured_s)
    assert probes(made, even(50e6), since_s=since_s + 40, seconds=500) == []
    again = probes(made, even(50e6), since_s=since_s + int(interval_s) + 1, seconds=20)
    assert [n_bytes for _, n_bytes in again] == [STEPS_BYTES[-1]]


def test_requests_that_have_measured_it_leave_nothing_to_measure() -> None:
    made = scheduler(BAND, KITCHEN)
    link(made).measured(100_000, 0.02, 0.0)
    assert probes(made, even(50e6), seconds=60) == []


def test_a_link_in_use_is_left_to_those_who_use_it() -> None:
    made = scheduler(BAND, KITCHEN)
    link(made).outstanding = 1
    assert probes(made, even(50e6), seconds=60) == []


def test_an_echo_that_never_comes_is_not_waited_for_and_asks_for_little() -> None:
    made = scheduler(BAND, KITCHEN)
    asked = []
    for second in range(60):
        beat = events.PeerHeard(node_id=KITCHEN.node_id, telemetry=warm(KITCHEN), rtt_s=RTT_S)
        told = made.handle(beat, float(second))
        asked += [c.probe_bytes for c in told if isinstance(c, Announce) and c.probed]
    assert len(asked) <= 12
    assert set(asked) == {STEPS_BYTES[0]}


def test_who_does_not_want_it_sends_none() -> None:
    made = scheduler(BAND, KITCHEN, settings=Settings(probe_links=False))
    assert probes(made, even(50e6), seconds=60) == []


def test_one_link_is_measured_at_a_time() -> None:
    cellar = member("cellar", MODEL)
    made = scheduler(BAND, KITCHEN, cellar)
    for peer in (KITCHEN, cellar):
        made.handle(events.PeerHeard(node_id=peer.node_id, telemetry=warm(peer), rtt_s=RTT_S), 0.0)
    told = made.handle(events.TimePassed(), 1.0)
    assert len([command for command in told if isinstance(command, Announce) and command.probed]) == 1


@given(st.floats(2e4, 1e10), st.floats(0.0001, 0.5))
def test_whatever_the_link_a_step_takes_little_of_it(rate_bps: float, rtt_s: float) -> None:
    """Only the first may meet a link that is slower than its class; each of the others knows the one before."""
    made = scheduler(BAND, KITCHEN)

    def takes_s(n_bytes: int) -> float:
        return rtt_s + n_bytes * 8.0 / rate_bps

    sent = [n_bytes for _, n_bytes in probes(made, takes_s, seconds=60, rtt_s=rtt_s)]
    assert sum(sent) <= sum(STEPS_BYTES)
    assert all(takes_s(n_bytes) - rtt_s <= MOST_S * 1.01 for n_bytes in sent[1:])


def paused(takes_s: Callable[[int], float], *, probe: int, pause_s: float) -> Callable[[int], float]:
    """The same, but that one of the probes meets a pause of the other process."""
    asked = iter(range(1_000_000))  # Twice of each: how long it takes, and when its echo comes.
    return lambda n_bytes: takes_s(n_bytes) + (pause_s if next(asked) // 2 == probe - 1 else 0.0)


@pytest.mark.parametrize(("probe", "pause_s"), [(1, 0.05), (2, 0.05), (3, 1.0), (4, 1.0)])
def test_a_pause_that_one_of_them_meets_is_found_out_without_a_request(probe: int, pause_s: float) -> None:
    made = scheduler(BAND, KITCHEN)
    probes(made, paused(even(100e6), probe=probe, pause_s=pause_s), seconds=1_800)
    assert link(made).doubt is None
    assert link(made).is_rate_measured
    assert link(made).transfer_s(100_000) == pytest.approx(even(100e6)(100_000), rel=0.6)


def test_a_request_may_try_a_link_that_a_probe_made_look_slow() -> None:
    made = scheduler(BAND, KITCHEN, settings=Settings(probe_links=False))
    link(made).echoed(RTT_S, 0.0)
    for n_bytes, seconds, now in ((65_536, 0.01, 1.0), (65_536, 1.0, 10.0), (65_536, 1.0, 20.0)):
        link(made).probed_s = now
        echo = events.PeerHeard(node_id=KITCHEN.node_id, telemetry=warm(KITCHEN), rtt_s=seconds, probe_bytes=n_bytes)
        made.handle(echo, now)
    believed_s = []
    for now in (30.0, 200.0):
        made.view.weigh_doubts(now)
        believed_s.append(link(made).transfer_s(65_536))
    assert believed_s == [pytest.approx(1.0, rel=0.1), pytest.approx(0.01, rel=0.1)]


def test_a_link_that_stays_slow_is_tried_ever_more_seldom() -> None:
    made = scheduler(BAND, KITCHEN)
    probes(made, even(100e6), seconds=30)
    since_s = int(link(made).measured_s) + int(MAINS_INTERVAL_S) + 1
    tried_s = [second for second, _ in probes(made, even(2e6), seconds=3_600, since_s=since_s)]
    assert len(tried_s) <= 20
    assert tried_s[-1] - tried_s[-2] > 200


def test_what_shared_the_link_with_a_request_tells_nothing_of_it() -> None:
    made = scheduler(BAND, KITCHEN)
    probes(made, even(100e6), seconds=30)
    before_s = link(made).transfer_s(65_536)
    now = link(made).probed_s = 30.5
    step(made, arrived(plan="kitchen", deadline_s=60.0), now + 0.001)
    echo = events.PeerHeard(node_id=KITCHEN.node_id, telemetry=warm(KITCHEN), rtt_s=0.04, probe_bytes=65_536)
    step(made, echo, now + 0.04)
    assert (link(made).transfer_s(65_536), link(made).doubt) == (before_s, None)


def test_the_jitter_of_one_packet_is_not_taken_for_a_slow_radio() -> None:
    made = scheduler(BAND, KITCHEN)
    link(made).echoed(RTT_S, 0.0)
    link(made).measured(200, 0.020, 0.0)
    probes(made, even(100e6), seconds=60)
    assert link(made).is_rate_measured


def test_a_peer_that_does_not_say_that_it_takes_them_is_sent_none() -> None:
    earlier = replace(KITCHEN, takes_probes=False)
    assert probes(scheduler(BAND, earlier), even(100e6), seconds=60, peer=earlier) == []


def test_a_link_in_doubt_is_not_asked_before_its_time() -> None:
    made = scheduler(BAND, KITCHEN)
    probes(made, even(100e6), seconds=30)
    link(made).doubt = Doubt(until_s=300.0, lasts_s=45.0, n_bytes=65_536, former=link(made))
    assert probes(made, even(100e6), seconds=260, since_s=35) == []


def in_doubt(looks_s: float) -> Scheduler:
    """A link that was quick, and then took so long for 64 KiB twice; it may be tried at second 100."""
    made = scheduler(BAND, KITCHEN)
    probes(made, even(100e6), seconds=30)
    for now in (30.0, 31.0):
        link(made).measured(65_536, looks_s, now)
    known = link(made).doubt
    assert known is not None
    known.until_s = 100.0
    return made


def test_a_try_whose_echo_never_comes_is_repeated_seldom() -> None:
    made, asked_s = in_doubt(0.2), []
    for second in range(90, 400):
        beat = events.PeerHeard(node_id=KITCHEN.node_id, telemetry=warm(KITCHEN), rtt_s=RTT_S)
        told = made.handle(beat, float(second))
        asked_s += [second for command in told if isinstance(command, Announce) and command.probed]
    assert asked_s[0] == 100
    assert len(asked_s) <= 8


def test_a_link_that_looks_so_slow_that_a_try_would_hold_it_up_is_left_to_requests() -> None:
    assert probes(in_doubt(5.0), even(100e6), seconds=600, since_s=90) == []


def test_an_echo_ends_no_doubt_about_what_did_not_end() -> None:
    made = scheduler(BAND, KITCHEN)
    probes(made, even(100e6), seconds=30)
    made.view.learn_overdue(KITCHEN.node_id, 65_536, 1.0, 31.0)
    assert probes(made, even(100e6), seconds=3_600, since_s=32) == []


def test_a_candidate_says_whether_the_rate_of_its_link_is_measured_or_assumed() -> None:
    made = scheduler(BAND, KITCHEN)

    def assumed() -> dict[str, bool]:
        return {c.place: c.is_assumed for c in seen(made.view).candidates}

    assert assumed() == {"band": False, "kitchen": True}
    probes(made, even(50e6), seconds=30)
    assert assumed() == {"band": False, "kitchen": False}
