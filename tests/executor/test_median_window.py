from meshd.executor.median_window import MedianWindow


def median_of(*values: float, length: int = 31) -> float | None:
    window = MedianWindow(length)
    for value in values:
        window.add(value)
    return window.median()


def test_an_empty_window_has_no_median() -> None:
    assert median_of() is None


def test_one_stalled_run_does_not_move_the_median() -> None:
    assert median_of(1.0, 1.0, 900.0) == 1.0


def test_the_median_follows_when_all_runs_change() -> None:
    assert median_of(1.0, 1.0, 1.0, 5.0, 5.0, 5.0, length=3) == 5.0


def test_equal_values_leave_one_at_a_time() -> None:
    assert median_of(2.0, 2.0, 1.0, 1.0, length=3) == 1.0
