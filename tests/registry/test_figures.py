from model_registry.figures import duration, points


def test_points_are_written_without_idle_zeros() -> None:
    assert [points(share) for share in (0.01, 0.001, 0.0023, 0.0, -0.01)] == [
        "1 point",
        "0.1 points",
        "0.23 points",
        "0 points",
        "-1 point",
    ]


def test_a_duration_of_microseconds_is_not_written_as_nothing() -> None:
    assert [duration(seconds) for seconds in (4e-6, 2.5e-5, 2.4e-4, 0.0)] == ["4.00 µs", "25.0 µs", "0.24 ms", "0 s"]


def test_what_is_less_by_a_duration_is_written_with_a_minus() -> None:
    assert [duration(seconds) for seconds in (-0.0021, -5e-5)] == ["-2.10 ms", "-50.0 µs"]
