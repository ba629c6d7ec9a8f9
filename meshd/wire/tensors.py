"""Tensors as headers plus raw bytes: little-endian, C order, one after the other without gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from meshd.errors import InvalidInput, ProtocolError
from meshd.wire.messages import MAX_NAME_LENGTH, MAX_RANK, MAX_TENSORS, DType, TensorHeader

Array = NDArray[Any]

_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in get_args(DType)}
# Asking a dtype for its name costs a microsecond each time.
_NAMES = {dtype.newbyteorder(order): name for name, dtype in _DTYPES.items() for order in "<>"}


def encode_tensors(arrays: Mapping[str, Array]) -> tuple[tuple[TensorHeader, ...], list[memoryview]]:
    """Return headers and the bytes of each array; arrays already contiguous and little-endian are not copied.

    Raises:
        InvalidInput: an array has no wire type (object, str), or its name, its rank or their number no room.
    """
    if len(arrays) > MAX_TENSORS:
        raise InvalidInput(f"{len(arrays)} tensors were given and a message carries {MAX_TENSORS} at most.")
    headers = tuple(_header(name, np.asarray(array)) for name, array in arrays.items())
    pairs = zip(headers, arrays.values(), strict=True)
    return headers, [_as_bytes(np.asarray(array, _DTYPES[header.dtype], order="C")) for header, array in pairs]


def decode_tensors(headers: Sequence[TensorHeader], payload: memoryview) -> dict[str, Array]:
    """Return read-only arrays over the payload, by name. Only an array that lies unaligned is copied.

    Raises:
        ProtocolError: names repeat, or the headers' shapes do not take up the payload exactly.
    """
    sizes = [prod(header.shape) * _DTYPES[header.dtype].itemsize for header in headers]
    if sum(sizes) != len(payload):
        raise ProtocolError(
            f"the tensors take {sum(sizes):,} bytes by their shapes and the payload has {len(payload):,}."
        )
    arrays: dict[str, Array] = {}
    offset = 0
    for header, size in zip(headers, sizes, strict=True):
        if header.name in arrays:
            raise ProtocolError(f"two tensors are called {header.name!r}.")
        arrays[header.name] = _view(header, payload[offset : offset + size])
        offset += size
    return arrays


def _header(name: str, array: Array) -> TensorHeader:
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise InvalidInput(f"a tensor's name has {len(name)} characters; 1 to {MAX_NAME_LENGTH} may be.")
    dtype = _NAMES.get(array.dtype)
    if dtype is None:
        raise InvalidInput(
            f"tensor {name!r} has dtype {array.dtype}, which cannot be sent.",
            hint=f"Use one of {', '.join(_DTYPES)}.",
        )
    if array.ndim > MAX_RANK:
        raise InvalidInput(f"tensor {name!r} has {array.ndim} axes; {MAX_RANK} at most can be sent.")
    return TensorHeader(name=name, dtype=cast("DType", dtype), shape=array.shape)


def _as_bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _view(header: TensorHeader, content: memoryview) -> Array:
    try:
        array: Array = np.ndarray(header.shape, _DTYPES[header.dtype], buffer=content)
    except ValueError as error:  # A zero beside axes whose product numpy cannot count.
        raise ProtocolError(f"tensor {header.name!r} of shape {header.shape}: {error}") from error
    if header.dtype == "bool" and array.size and array.view(np.uint8).max() > 1:
        raise ProtocolError(f"tensor {header.name!r} holds bytes that are neither true nor false.")
    return array if array.flags.aligned else _read_only(array.copy())


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
