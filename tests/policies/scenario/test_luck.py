"""Chance without a stream."""

from __future__ import annotations

from itertools import product
from statistics import NormalDist, mean, stdev

import pytest

from policies.scenario import Luck, salt


def test_a_number_depends_on_what_it_is_for_and_on_nothing_that_was_asked_before() -> None:
    asked_much, asked_once = Luck(7), Luck(7)
    for key in range(100):
        asked_much.normal(key)
    assert asked_much.normal(salt("watch"), 12) == asked_once.normal(salt("watch"), 12)


def test_seeds_keys_and_their_order_all_make_another_number() -> None:
    numbers = [Luck(seed).uniform(a, b) for seed, a, b in product(range(10), range(10), range(10))]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_numbers_are_spread_as_they_should_be(seed: int) -> None:
    luck = Luck(seed)
    normals = [luck.normal(key) for key in range(4_000)]
    assert mean(normals) == pytest.approx(0.0, abs=0.06)
    assert stdev(normals) == pytest.approx(1.0, abs=0.05)
    beyond = sum(abs(number) > 2.0 for number in normals) / len(normals)
    assert beyond == pytest.approx(2.0 * NormalDist().cdf(-2.0), abs=0.012)


def test_neighbouring_keys_know_nothing_of_each_other() -> None:
    luck = Luck(3)
    pairs = [(luck.normal(5, key), luck.normal(5, key + 1)) for key in range(4_000)]
    assert mean(a * b for a, b in pairs) == pytest.approx(0.0, abs=0.06)


def test_streams_of_different_names_differ_and_of_one_name_agree() -> None:
    luck = Luck(3)
    assert luck.stream("a", "b").random() == luck.stream("a", "b").random()
    assert len({luck.stream(*names).random() for names in (("a", "b"), ("b", "a"), ("a",))}) == 3
