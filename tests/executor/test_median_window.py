from hypothesis import given
from hypothesis import strategies as st

from meshd.executor.median_window import MedianWindow


def median_of(*values: float, length: int = 31) -> float | None:
    window = MedianWindow(length)
    for value in values:
        window.add(value, 0.0)
    return window.median()


def test_an_empty_window_has_no_median() -> None:
    assert median_of() is None


def test_one_stalled_run_does_not_move_the_median() -> None:
    assert median_of(1.0, 1.0, 900.0) == 1.0


def test_the_median_follows_when_all_runs_change() -> None:
    assert median_of(1.0, 1.0, 1.0, 5.0, 5.0, 5.0, length=3) == 5.0


def test_equal_values_leave_one_at_a_time() -> None:
    assert median_of(2.0, 2.0, 1.0, 1.0, length=3) == 1.0


def test_what_is_too_old_is_forgotten_when_something_newer_comes() -> None:
    window = MedianWindow(lasts_s=60.0)
    for second in range(10):
        window.add(900.0, float(second))
    window.add(1.0, 68.5)
    assert window.median() == 900.0
    window.add(1.0, 69.5)
    assert window.median() == 1.0


def test_what_was_measured_with_care_stays_however_old_it_is() -> None:
    window = MedianWindow(length=3, lasts_s=60.0)
    window.calibrate(1.0)
    for second in range(10):
        window.add(5.0, float(second))
    window.add(0.5, 1_000.0)
    assert window.median() == 1.0


def test_what_was_measured_with_care_last_is_told_apart_from_what_runs_took_since() -> None:
    window = MedianWindow()
    window.add(3.0, 0.0)
    assert window.careful() == 3.0
    for careful in (2.0, 1.0):
        window.calibrate(careful)
    for second in range(31):
        window.add(5.0, float(second))
    assert (window.careful(), window.median()) == (1.0, 5.0)


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.0, 100.0)), min_size=1), st.integers(1, 40))
def test_it_is_the_median_of_the_latest_that_are_young_enough(waited: list[tuple[float, float]], length: int) -> None:
    window, now, added = MedianWindow(length, lasts_s=60.0), 0.0, []
    for wait_s, value in waited:
        now += wait_s
        added.append((now, value))
        window.add(value, now)
    young = sorted(value for at_s, value in added[-length:] if now - at_s <= 60.0)
    assert window.median() == young[len(young) // 2]
