from model_registry.figures import points


def test_points_are_written_without_idle_zeros() -> None:
    assert [points(share) for share in (0.01, 0.001, 0.0023, 0.0, -0.01)] == [
        "1 point",
        "0.1 points",
        "0.23 points",
        "0 points",
        "-1 point",
    ]
