"""Eight bits by channel: nothing clips, 0 stays 0, and an outlier spoils its own channel alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_registry.codec.channels import quietest_axis
from model_registry.codec.codecs import decode, encode
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import Array, crossed

ACTIVATIONS = np.random.default_rng(2).normal(size=(1, 32, 14, 14)).astype(np.float32)


def along(axis: int | None) -> Encoding:
    return Encoding(codec="int8", ratio=0.26, axis=axis)


def test_no_number_is_off_by_more_than_half_a_step_of_its_channel() -> None:
    back, encoded = crossed(ACTIVATIONS, along(1))
    step = np.ptp(ACTIVATIONS, axis=(0, 2, 3)) / 254
    assert (np.abs(back - ACTIVATIONS).max(axis=(0, 2, 3)) <= 0.5001 * step).all()
    assert len(encoded.content) == 1 + 5 * 32 + ACTIVATIONS.size


def test_what_a_rectifier_cut_off_stays_zero() -> None:
    rectified = np.maximum(ACTIVATIONS, 0)
    back, _ = crossed(rectified, along(1))
    assert (back[rectified == 0] == 0).all()


def test_an_outlier_costs_precision_in_its_own_channel_alone() -> None:
    spoilt = ACTIVATIONS.copy()
    spoilt[0, 7, 3, 3] = 1e6
    back, _ = crossed(spoilt, along(1))
    others = np.arange(32) != 7
    np.testing.assert_array_equal(back[:, others], crossed(ACTIVATIONS, along(1))[0][:, others])


@pytest.mark.parametrize("axis", [1, 2])
def test_without_a_declared_axis_the_one_with_the_least_noise_is_taken(axis: int) -> None:
    spread = np.ones((1, 64, 64), np.float32)
    spread *= np.geomspace(0.01, 100, 64, dtype=np.float32).reshape((1, 64, 1) if axis == 1 else (1, 1, 64))
    assert quietest_axis(spread) == axis
    encoded = encode(spread, along(None))
    assert encoded is not None
    assert encoded.content[0] == axis


@given(
    hnp.arrays(
        st.sampled_from(["float32", "float64", "float16"]).map(np.dtype),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=6),
    ),
    st.none() | st.integers(0, 3),
)
def test_any_real_numbers_come_back_within_a_step_or_go_raw(array: Array, axis: int | None) -> None:
    encoded = encode(array, along(axis))
    if encoded is None:
        return
    back = decode(encoded.content, "int8", array.dtype.name, array.shape)
    assert np.isfinite(array).all()
    exact = array.astype(np.float64)
    step = (max(exact.max(), 0) - min(exact.min(), 0)) / 254
    assert np.abs(back.astype(np.float64) - exact).max() <= 1.01 * step + 1e-37 + 2**-10 * np.abs(exact).max()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_go_raw(number: float) -> None:
    spoilt = ACTIVATIONS.copy()
    spoilt[0, 0, 0, 0] = number
    assert encode(spoilt, along(1)) is None


def test_a_range_too_wide_to_count_in_goes_raw() -> None:
    widest = np.array([[-3e38, 3e38] * 40], np.float32)
    assert encode(widest, along(0)) is None
