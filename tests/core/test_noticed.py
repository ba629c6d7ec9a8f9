"""What is known changes with every run; only what may change a plan counts."""

from math import nan

from meshd.core.noticed import Noticed


def seen(*figures: float) -> int:
    """How often a figure counted that took these values."""
    made = Noticed()
    for figure in figures:
        made.saw("run", figure)
    return made.version


def test_a_figure_counts_when_it_is_first_seen_and_when_it_has_gone_a_twentieth_of_its_way() -> None:
    assert seen(0.010, 0.0104, 0.0096) == 1
    assert seen(0.010, 0.0106, 0.0102) == 2
    assert seen(0.010, 0.0094) == 2


def test_slow_drift_counts_as_soon_as_it_has_gone_far_enough() -> None:
    assert seen(*(0.010 * 1.01**step for step in range(20))) == 4


def test_microseconds_do_not_count_for_planning_takes_longer_than_they_could_save() -> None:
    assert seen(60e-6, 79e-6, 41e-6) == 1
    assert seen(60e-6, 81e-6) == 2


def test_what_is_no_number_always_counts() -> None:
    assert seen(nan, nan) == 2


def test_after_a_new_beginning_every_figure_counts() -> None:
    made = Noticed()
    made.saw("run", 0.010)
    made.begin_anew()
    made.saw("run", 0.010)
    assert made.version == 3
