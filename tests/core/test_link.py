"""What a link is predicted to take after a handful of exchanges, on links that are simulated to the microsecond."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from meshd.core.estimate import Estimate
from meshd.core.link import Link
from meshd.core.link_report import link_report
from tests.core.parts import member, mesh

RTT_S = 0.004
SIZES = (4_000, 154_000, 30_000, 604_000, 79_000, 154_000)
"""Of exchanges, input and answer together: the first is small, as the first one often is."""

Takes = Callable[[int], float]


def affine(bps: float) -> Takes:
    return lambda n_bytes: RTT_S + n_bytes * 8.0 / bps


def token_bucket(bps: float, bucket_bytes: int) -> Takes:
    """As tc-tbf shapes after a pause: what the bucket holds goes at once."""
    return lambda n_bytes: RTT_S + max(0, n_bytes - bucket_bytes) * 8.0 / bps


def link(announced_bps: float = 2e7) -> Link:
    return Link(rtt_s=Estimate.prior(0.02, 0.0), byte_s=8.0 / announced_bps)


def used(made: Link, takes: Takes, sizes: Sequence[int] = SIZES) -> Link:
    """Let a link carry exchanges, one a second, with a heartbeat before each."""
    for second, n_bytes in enumerate(sizes):
        made.echoed(RTT_S, float(second))
        made.measured(n_bytes, takes(n_bytes), float(second))
    return made


@pytest.mark.parametrize("bps", [2e6, 200e6])
@pytest.mark.parametrize("announced_bps", [1e6, 2e7, 1e9])
def test_a_handful_of_exchanges_of_different_sizes_tells_what_any_size_takes(bps: float, announced_bps: float) -> None:
    takes = affine(bps)
    learned = used(link(announced_bps), takes)
    for n_bytes in (25_000, 50_000, 154_000, 300_000, 604_000, 1_200_000):
        assert learned.transfer_s(n_bytes) == pytest.approx(takes(n_bytes), rel=0.05)


@pytest.mark.parametrize("bps", [2e6, 200e6])
def test_what_small_exchanges_took_says_nothing_of_large_ones_through_a_token_bucket(bps: float) -> None:
    takes = token_bucket(bps, 32_768)
    learned = used(link(), takes, (4_000, 4_000, 12_000, 4_000, 154_000, 604_000, 80_000))
    for n_bytes in (4_000, 80_000, 154_000, 604_000, 1_200_000):
        assert learned.transfer_s(n_bytes) == pytest.approx(takes(n_bytes), rel=0.06)


def test_small_exchanges_alone_leave_the_bandwidth_as_it_was_announced() -> None:
    learned = used(link(2e7), token_bucket(2e6, 32_768), [4_000] * 20)
    assert learned.byte_s == pytest.approx(8.0 / 2e7)
    assert learned.transfer_s(4_000) == pytest.approx(RTT_S, rel=0.05)


@pytest.mark.parametrize(("before_bps", "after_bps"), [(2e6, 200e6), (200e6, 2e6)])
@pytest.mark.parametrize("sizes", [(154_000, 154_000, 154_000), (154_000, 80_000, 154_000, 80_000, 154_000)])
def test_a_link_that_became_another_is_known_after_a_handful(
    before_bps: float, after_bps: float, sizes: Sequence[int]
) -> None:
    takes = affine(after_bps)
    learned = used(used(link(), affine(before_bps)), takes, sizes)
    assert learned.transfer_s(154_000) == pytest.approx(takes(154_000), rel=0.05)


def test_one_exchange_that_met_a_pause_moves_a_link_half_way_and_the_next_one_back() -> None:
    takes = affine(2e7)
    learned = used(link(), takes)
    learned.measured(154_000, 100 * takes(154_000), 10.0)
    assert learned.transfer_s(154_000) == pytest.approx(10 * takes(154_000), rel=0.05)
    used(learned, takes, (154_000, 154_000))
    assert learned.transfer_s(154_000) == pytest.approx(takes(154_000), rel=0.05)


def test_steady_exchanges_make_a_link_sure_and_age_makes_it_unsure_again() -> None:
    learned = used(link(), affine(2e7), SIZES * 6)
    last_s = float(len(SIZES * 6) - 1)
    fresh, old, ancient = (learned.spread(154_000, now) for now in (last_s, last_s + 30.0, 1e9))
    assert fresh < 0.05
    assert old == pytest.approx(2 * fresh)
    assert ancient == 0.5
    assert learned.spread(100_000_000, last_s) == 0.5, "nothing near it was ever measured"


def test_more_bytes_never_take_less() -> None:
    learned = link()
    for n_bytes, seconds in ((4_000, 0.030), (154_000, 0.020), (604_000, 0.010)):
        learned.measured(n_bytes, seconds, 0.0)
    times_s = [learned.transfer_s(n_bytes) for n_bytes in range(0, 1_000_000, 10_000)]
    assert times_s == sorted(times_s)


def test_what_is_overdue_teaches_only_where_it_was_to_be_there_by_then() -> None:
    learned = used(link(), affine(200e6))
    before_s = learned.transfer_s(154_000)
    learned.overdue(154_000, before_s / 2.0, 7.0)
    assert learned.transfer_s(154_000) == before_s
    learned.overdue(154_000, 100 * before_s, 8.0)
    assert learned.transfer_s(154_000) > 5 * before_s


def test_only_links_that_were_measured_are_told_of_and_the_eight_best_of_them() -> None:
    peers = [member(f"peer-{number}") for number in range(12)]
    view = mesh(member("band"), *peers)
    assert link_report(view.usable_peers()) == ()

    for number, peer in enumerate(peers):
        used(view.link_to(peer.node_id), affine(1e6 * (number + 1)))
    told = link_report(view.usable_peers())
    assert [link.node for link in told] == [f"peer-{number}" for number in range(11, 3, -1)]
    assert told[0].byte_s == pytest.approx(8.0 / 12e6, rel=0.05)
