"""Tensors as headers plus bytes, one after the other without gaps: raw ones little-endian, C order; others encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, cast, get_args

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd.core.plan import RAW
from meshd.errors import InvalidInput, ProtocolError
from meshd.wire.messages import MAX_NAME_LENGTH, MAX_RANK, MAX_TENSORS, DType, TensorHeader
from model_registry import codec
from model_registry.codec import MOST_BYTES
from model_registry.encoding import Encoding
from model_registry.errors import CodecMissing, Undecodable

Array = NDArray[Any]

_RAW: Mapping[str, Encoding] = MappingProxyType({})
_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in get_args(DType)}
_ELEMENT_BYTES = {name: dtype.itemsize for name, dtype in _DTYPES.items()}
# Asking a dtype for its name costs a microsecond each time.
_NAMES: Mapping[np.dtype[Any], DType] = {
    dtype.newbyteorder(order): cast("DType", name) for name, dtype in _DTYPES.items() for order in "<>"
}
_NOTHING = memoryview(b"")


def encode_tensors(
    arrays: Mapping[str, Array], encodings: Mapping[str, Encoding] = _RAW
) -> tuple[tuple[TensorHeader, ...], list[memoryview]]:
    """Return headers and the bytes of each array; arrays already contiguous and little-endian are not copied.

    A tensor is encoded if `encodings` names it and its values allow that, and else goes raw.

    Raises:
        InvalidInput: an array has no wire type (object, str), or its name, its rank or their number no room.
    """
    if len(arrays) > MAX_TENSORS:
        raise InvalidInput(f"{len(arrays)} tensors were given and a message carries {MAX_TENSORS} at most.")
    headers: list[TensorHeader] = []
    contents: list[memoryview] = []
    for name, given in arrays.items():
        array = np.asarray(given)
        header = _header(name, array)
        headers.append(header)
        # A view of no elements cannot be cast.
        contents.append(np.asarray(array, _DTYPES[header.dtype], order="C").data.cast("B") if array.size else _NOTHING)
    if encodings:
        _encode(headers, contents, arrays, encodings)
    return tuple(headers), contents


def decode_tensors(headers: Sequence[TensorHeader], payload: memoryview) -> dict[str, Array]:
    """Return read-only arrays by name: over the payload, where it lies raw and aligned in it.

    Raises:
        ProtocolError: names repeat, the headers do not take up the payload exactly, or encoded bytes are not what
            their header says.
        InvalidInput: the library of a codec is not installed here.
    """
    arrays: dict[str, Array] = {}
    start, room_bytes = 0, MOST_BYTES
    for header in headers:
        if header.name in arrays:
            raise ProtocolError(f"two tensors are called {header.name!r}.")
        is_raw = header.codec == RAW
        end = start + (prod(header.shape) * _ELEMENT_BYTES[header.dtype] if is_raw else _encoded_bytes(header))
        if end > len(payload):
            raise _misfit(headers, payload)
        if is_raw:
            arrays[header.name] = _view(header, payload[start:end])
        else:
            arrays[header.name] = _decoded(header, payload[start:end], room_bytes)
            room_bytes -= arrays[header.name].nbytes
        start = end
    if start != len(payload):
        raise _misfit(headers, payload)
    return arrays


def decoded_bytes(headers: Sequence[TensorHeader]) -> int:
    """Return what tensors take in memory beside the payload once they are decoded: raw ones stay in it."""
    n_bytes = 0
    for header in headers:
        if header.codec != RAW:
            n_bytes += prod(header.shape) * _ELEMENT_BYTES[header.dtype]
    return n_bytes


def _misfit(headers: Sequence[TensorHeader], payload: memoryview) -> ProtocolError:
    n_bytes = sum(
        prod(header.shape) * _ELEMENT_BYTES[header.dtype] if header.codec == RAW else _encoded_bytes(header)
        for header in headers
    )
    return ProtocolError(f"the tensors take {n_bytes:,} bytes by their headers and the payload has {len(payload):,}.")


def _encoded_bytes(header: TensorHeader) -> int:
    if header.encoded_bytes is None:
        raise ProtocolError(f"tensor {header.name!r} is encoded as {header.codec} in nobody knows how many bytes.")
    return header.encoded_bytes


def _encode(
    headers: list[TensorHeader],
    contents: list[memoryview],
    arrays: Mapping[str, Array],
    encodings: Mapping[str, Encoding],
) -> None:
    """Put encoded bytes in the place of raw ones, as far as the values allow."""
    for index, header in enumerate(headers):
        encoding = encodings.get(header.name)
        if encoding is None:
            continue
        encoded = codec.encode(np.asarray(arrays[header.name], _DTYPES[header.dtype]), encoding)
        if encoded is not None:
            contents[index] = encoded.content
            headers[index] = replace(header, codec=encoding.codec, encoded_bytes=len(encoded.content))


def _decoded(header: TensorHeader, content: memoryview, room_bytes: int) -> Array:
    """Undo a codec; `room_bytes` is what is left of what all encoded tensors of a message may take together."""
    if prod(header.shape) * _ELEMENT_BYTES[header.dtype] > room_bytes:
        raise ProtocolError(f"the tensors take more than {MOST_BYTES:,} bytes once they are decoded.")
    try:
        return codec.decode(content, header.codec, header.dtype, header.shape)
    except Undecodable as error:
        raise ProtocolError(f"tensor {header.name!r}: {error.message}") from error
    except CodecMissing as error:
        raise InvalidInput(error.message, hint=error.hint) from error


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
    return TensorHeader(name=name, dtype=dtype, shape=array.shape)


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
