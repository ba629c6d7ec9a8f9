"""Tensors cross the wire unchanged and uncopied; shapes that do not fit their bytes never do."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from meshd.errors import InvalidInput, ProtocolError
from meshd.wire.messages import DType, TensorHeader
from meshd.wire.tensors import decode_tensors, encode_tensors

DTYPES = st.sampled_from(get_args(DType)).map(np.dtype)
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
NAMED = st.dictionaries(st.text(min_size=1, max_size=20), ARRAYS, max_size=5)


def crossed(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    headers, parts = encode_tensors(arrays)
    return decode_tensors(headers, memoryview(b"".join(parts)))


@given(NAMED)
def test_arrays_come_back_with_name_order_dtype_shape_and_values(arrays: dict[str, NDArray[Any]]) -> None:
    back = crossed(arrays)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back[name], array)
        assert back[name].flags.aligned
        assert not back[name].flags.writeable


def test_a_contiguous_array_is_sent_and_read_without_a_copy() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    headers, (part,) = encode_tensors({"x": array})
    assert np.shares_memory(np.frombuffer(part, np.uint8), array)
    back = decode_tensors(headers, part)
    assert np.shares_memory(back["x"], array)


def test_strides_and_byte_order_are_made_plain() -> None:
    array = np.arange(12, dtype=">i4").reshape(3, 4)[:, ::2]
    headers, (part,) = encode_tensors({"x": array})
    assert headers == (TensorHeader(name="x", dtype="int32", shape=(3, 2)),)
    assert bytes(part) == np.array([0, 2, 4, 6, 8, 10], "<i4").tobytes()


@pytest.mark.parametrize(
    "array",
    [np.array(["text"]), np.array([object()]), np.array([1j]), np.array(["2026-01-01"], "datetime64[D]")],
    ids=["str", "object", "complex", "datetime"],
)
def test_dtypes_without_a_wire_type_are_invalid_input(array: NDArray[Any]) -> None:
    with pytest.raises(InvalidInput, match="cannot be sent"):
        encode_tensors({"x": array})


@pytest.mark.parametrize(
    "arrays",
    [
        {"": np.zeros(1)},
        {"x" * 129: np.zeros(1)},
        {"x": np.zeros((1,) * 9)},
        {str(number): np.zeros(1) for number in range(65)},
    ],
    ids=["no name", "long name", "nine axes", "65 tensors"],
)
def test_what_a_message_cannot_carry_is_invalid_input(arrays: dict[str, NDArray[Any]]) -> None:
    with pytest.raises(InvalidInput):
        encode_tensors(arrays)


@pytest.mark.parametrize(
    ("shape", "payload_bytes"),
    [
        ((3,), 11),
        ((3,), 13),
        ((), 0),
        ((2**31,) * 8, 16),
        ((0, 2**31, 2**31, 2**31), 0),
        ((2**31, 2**31, 4), 0),
    ],
)
def test_shapes_that_do_not_fit_the_payload_are_a_protocol_error(shape: tuple[int, ...], payload_bytes: int) -> None:
    header = TensorHeader(name="x", dtype="float32", shape=shape)
    with pytest.raises(ProtocolError):
        decode_tensors((header,), memoryview(bytes(payload_bytes)))


@given(
    st.lists(
        st.builds(
            TensorHeader,
            name=st.sampled_from(["a", "b"]),
            dtype=st.sampled_from(get_args(DType)),
            shape=st.lists(st.integers(0, 2**31), max_size=8).map(tuple),
        ),
        max_size=4,
    ),
    st.binary(max_size=64),
)
def test_arbitrary_headers_and_bytes_are_arrays_or_a_protocol_error(
    headers: list[TensorHeader], payload: bytes
) -> None:
    try:
        arrays = decode_tensors(headers, memoryview(payload))
    except ProtocolError:
        return
    assert sum(array.nbytes for array in arrays.values()) == len(payload)


def test_two_tensors_of_one_name_are_a_protocol_error() -> None:
    header = TensorHeader(name="x", dtype="uint8", shape=(1,))
    with pytest.raises(ProtocolError, match="two tensors are called 'x'"):
        decode_tensors((header, header), memoryview(b"ab"))


def test_a_truth_value_other_than_zero_and_one_is_a_protocol_error() -> None:
    header = TensorHeader(name="x", dtype="bool", shape=(3,))
    with pytest.raises(ProtocolError, match="neither true nor false"):
        decode_tensors((header,), memoryview(b"\x00\x01\x02"))


def test_a_tensor_behind_an_odd_number_of_bytes_is_aligned_for_the_runtime() -> None:
    back = crossed({"odd": np.zeros(3, np.uint8), "x": np.arange(4, dtype=np.float64)})
    assert back["x"].flags.aligned
    np.testing.assert_array_equal(back["x"], np.arange(4, dtype=np.float64))
