"""A link's rate over time, and when what is sent over it has left."""

from __future__ import annotations

import pytest

from policies.scenario import Bandwidth

HALVING = Bandwidth.of([0.0, 1.0, 3.0], [8e3, 0.0, 4e3])
"""A kilobyte a second, then nothing for two seconds, then half a kilobyte a second."""


@pytest.mark.parametrize(
    ("from_s", "n_bytes", "sent_s"),
    [
        (0.0, 500, 0.5),
        (0.0, 1_000, 1.0),
        (0.0, 1_001, 3.002),
        (0.5, 1_000, 4.0),
        (2.0, 500, 4.0),
        (10.0, 500, 11.0),
        (2.0, 0, 2.0),
    ],
)
def test_bytes_leave_at_the_rate_of_the_moment_and_wait_while_the_link_is_lost(
    from_s: float, n_bytes: int, sent_s: float
) -> None:
    assert HALVING.sent_s(from_s, n_bytes) == pytest.approx(sent_s)


def test_what_is_sent_in_two_parts_takes_as_long_as_the_whole() -> None:
    middle_s = HALVING.sent_s(0.25, 700)
    assert HALVING.sent_s(middle_s, 900) == pytest.approx(HALVING.sent_s(0.25, 1_600))


def test_a_piece_holds_from_its_start_until_the_next_ones() -> None:
    assert [HALVING.rate_bps(at_s) for at_s in (0.0, 0.999, 1.0, 2.999, 3.0, 1e6)] == [8e3, 8e3, 0.0, 0.0, 4e3, 4e3]


@pytest.mark.parametrize(
    ("starts_s", "rates_bps"),
    [([], []), ([1.0], [1.0]), ([0.0, 0.0], [1.0, 1.0]), ([0.0, 1.0], [1.0, 0.0]), ([0.0, 1.0], [-1.0, 1.0])],
)
def test_a_bandwidth_that_would_carry_some_bytes_never_is_refused(
    starts_s: list[float], rates_bps: list[float]
) -> None:
    with pytest.raises(ValueError, match="piece"):
        Bandwidth.of(starts_s, rates_bps)
