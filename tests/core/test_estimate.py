import pytest

from meshd.core.estimate import Estimate


def test_five_samples_replace_two_thirds_of_what_was_believed() -> None:
    believed = Estimate.prior(0.0, 0.0)
    for second in range(5):
        believed = believed.updated(1.0, float(second))

    assert believed.mean == pytest.approx(1 - 0.8**5)
    assert (believed.at_s, believed.samples) == (4.0, 5)


def test_steady_samples_leave_little_doubt_and_age_brings_it_back_up_to_that_of_an_unmeasured_figure() -> None:
    believed = Estimate.prior(0.1, 0.0)
    for second in range(30):
        believed = believed.updated(0.1, float(second))
    fresh = believed.deviation(29.0)

    assert fresh < 0.002
    assert believed.deviation(29.0 + 30.0) == pytest.approx(2 * fresh)
    assert believed.deviation(1e9) == pytest.approx(0.05)


def test_scattered_samples_stay_as_unsure_as_they_are() -> None:
    believed = Estimate.prior(0.1, 0.0)
    for second in range(40):
        believed = believed.updated(0.01 if second % 2 else 1.0, float(second))

    assert believed.deviation(40.0) > 0.3
