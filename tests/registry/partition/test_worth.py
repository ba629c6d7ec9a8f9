"""A split is called worth it only where links and speeds exist at which it is the soonest way by a tenth."""

import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.partition.proof import Timed
from model_registry.partition.worth import worth

PICTURE = [Timed(head_ms=1.67, tail_ms=3.36, whole_ms=4.95), Timed(head_ms=2.9, tail_ms=1.98, whole_ms=4.95)]


def test_a_large_input_that_shrinks_early_is_worth_it_over_a_band_of_links() -> None:
    found = worth(PICTURE, [75_300, 12_500], 602_000)
    assert found is not None
    assert 1e6 < found.slowest_bps < 2e7 < found.fastest_bps
    assert found.least_ratio > 1.1


def test_what_takes_no_longer_than_a_round_trip_is_never_worth_it() -> None:
    tiny = [Timed(head_ms=0.05, tail_ms=0.15, whole_ms=0.2)]
    assert worth(tiny, [100], 600_000) is None


def test_what_crosses_whole_is_never_worth_it() -> None:
    assert worth(PICTURE, [602_000, 602_000], 602_000) is None
