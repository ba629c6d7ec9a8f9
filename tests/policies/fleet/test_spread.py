from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.fleet.spread import Spread

NUMBERS = st.lists(st.floats(-1e6, 1e6).filter(lambda number: number == 0.0 or abs(number) > 1e-8), min_size=1)


@given(NUMBERS, st.sampled_from([0.0, 0.05, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_right_to_within_a_hundredth(numbers: list[float], share: float) -> None:
    exact = np.quantile(numbers, share, method="lower")
    assert Spread.of(numbers).quantile(share) == pytest.approx(exact, rel=0.0101)


@given(NUMBERS, NUMBERS)
def test_parts_add_up_to_the_whole(ours: list[float], theirs: list[float]) -> None:
    whole, merged = Spread.of([*ours, *theirs]), Spread.of(ours)
    merged.merge(Spread.of(theirs))
    assert (merged.n, merged.counts, merged.least, merged.most) == (whole.n, whole.counts, whole.least, whole.most)
    assert merged.mean == pytest.approx(whole.mean, abs=1e-6)


def test_memory_does_not_grow_with_how_many_numbers_there_are() -> None:
    generator = np.random.default_rng(1)
    few, many = (Spread.of(generator.lognormal(0.0, 1.0, n).tolist()) for n in (2_000, 50_000))
    assert len(many.counts) < 1.5 * len(few.counts)
    wildest = Spread.of([sign * 10.0**power for sign in (-1.0, 1.0) for power in range(-300, 300)])
    assert max(wildest.counts) - min(wildest.counts) < 4_200


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    numbers = np.random.default_rng(2).normal(3.0, 2.0, 400)
    half = 1.96 * numbers.std(ddof=1) / 20.0
    assert Spread.of(numbers.tolist()).ci95 == pytest.approx((numbers.mean() - half, numbers.mean() + half))


def test_of_one_number_there_is_no_interval() -> None:
    assert Spread.of([3.0]).ci95 is None
