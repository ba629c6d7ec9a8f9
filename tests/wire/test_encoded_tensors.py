"""Encoded tensors cross the wire beside raw ones; the receiver has the header's dtype and shape again, or an error."""

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.errors import InvalidInput, ProtocolError
from meshd.wire import tensors
from meshd.wire.messages import TensorHeader
from meshd.wire.tensors import decode_tensors, decoded_bytes, encode_tensors
from model_registry.codec import MOST_BYTES
from model_registry.encoding import Encoding
from model_registry.errors import CodecMissing

INT8 = Encoding(codec="int8", ratio=0.25, axis=1)
HALF = Encoding(codec="fp16", ratio=0.5)
REAL = np.random.default_rng(7).normal(size=(2, 4, 32)).astype(np.float32)
WHOLE = np.arange(5, dtype=np.int64)


def test_each_tensor_goes_as_its_encoding_says_and_the_others_go_raw() -> None:
    headers, parts = encode_tensors({"a": REAL, "n": WHOLE, "b": REAL}, {"a": INT8, "b": HALF})
    assert headers == (
        TensorHeader(name="a", dtype="float32", shape=(2, 4, 32), codec="int8", encoded_bytes=1 + 5 * 4 + 256),
        TensorHeader(name="n", dtype="int64", shape=(5,)),
        TensorHeader(name="b", dtype="float32", shape=(2, 4, 32), codec="fp16", encoded_bytes=512),
    )
    back = decode_tensors(headers, memoryview(b"".join(parts)))
    assert {name: (array.dtype.name, array.shape, array.flags.writeable) for name, array in back.items()} == {
        "a": ("float32", (2, 4, 32), False),
        "n": ("int64", (5,), False),
        "b": ("float32", (2, 4, 32), False),
    }
    np.testing.assert_array_equal(back["n"], WHOLE)
    np.testing.assert_allclose(back["a"], REAL, atol=0.02)
    np.testing.assert_allclose(back["b"], REAL, rtol=2**-11)


def test_a_tensor_whose_values_its_codec_has_no_form_for_goes_raw_uncopied() -> None:
    spoilt = REAL.copy()
    spoilt[0, 0, 0] = np.nan
    headers, (part,) = encode_tensors({"a": spoilt}, {"a": INT8})
    assert headers == (TensorHeader(name="a", dtype="float32", shape=(2, 4, 32)),)
    assert np.shares_memory(np.frombuffer(part, np.uint8), spoilt)


def test_byte_order_and_strides_do_not_matter_to_an_encoder() -> None:
    strange = REAL.astype(">f4")[:, :, ::2]
    plain = np.ascontiguousarray(REAL[:, :, ::2])
    assert bytes(encode_tensors({"a": strange}, {"a": INT8})[1][0]) == bytes(
        encode_tensors({"a": plain}, {"a": INT8})[1][0]
    )


def test_what_encoded_tensors_will_take_is_known_before_they_are_decoded() -> None:
    headers, parts = encode_tensors({"a": REAL, "n": WHOLE, "b": REAL}, {"a": INT8, "b": HALF})
    assert decoded_bytes(headers) == 2 * REAL.nbytes
    assert sum(map(len, parts)) == 1 + 5 * 4 + REAL.size + WHOLE.nbytes + REAL.nbytes // 2


(HEADER,), (PART,) = encode_tensors({"a": REAL}, {"a": HALF})


@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, encoded_bytes=None),
        replace(HEADER, encoded_bytes=len(PART) - 1),
        replace(HEADER, codec="raw"),
        replace(HEADER, codec="int8"),
        replace(HEADER, codec="jpeg"),
        replace(HEADER, dtype="int32"),
        replace(HEADER, shape=(2, 4, 33)),
        replace(HEADER, shape=(2**31, 2**31, 2**31)),
    ],
    ids=["no length", "too short", "raw", "another codec", "a picture", "whole numbers", "more", "endless"],
)
def test_a_header_that_its_bytes_do_not_bear_out_is_a_protocol_error(header: TensorHeader) -> None:
    with pytest.raises(ProtocolError):
        decode_tensors((header,), PART)


def test_tensors_that_are_too_large_together_are_a_protocol_error_before_all_are_decoded() -> None:
    grid = Encoding(codec="uint8", ratio=0.25, scale=(1.0,))
    (header,), (part,) = encode_tensors({"0": np.zeros((2, 1 << 20), np.float64)}, {"0": grid})
    assert len(part) < MOST_BYTES // 5
    headers = tuple(replace(header, name=str(number)) for number in range(5))
    with pytest.raises(ProtocolError, match="more than"):
        decode_tensors(headers, memoryview(bytes(part) * 5))


def test_a_codec_that_is_not_installed_here_is_invalid_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        """A node without any library."""

        def decode(self, *_: object) -> None:
            raise CodecMissing("It is not installed.", hint="Install it.")

    monkeypatch.setattr(tensors, "codec", Bare())
    with pytest.raises(InvalidInput, match="not installed"):
        decode_tensors((HEADER,), PART)
