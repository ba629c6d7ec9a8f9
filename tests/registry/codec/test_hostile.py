"""A decoder gives an array of exactly the announced dtype and shape, or one error, in bounded time and memory."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.codec.codecs import decode
from model_registry.encoding import Encoding
from model_registry.errors import Undecodable
from tests.registry.codec.pictures import IMAGENET, normalised, picture, signal

pytest.importorskip("simplejpeg", reason="JPEG is in the extra `codecs`")
pytest.importorskip("soundfile", reason="FLAC is in the extra `codecs`")

from tests.registry.codec.hostile import Hostile, all_hostile, honest

HOSTILE = all_hostile()
ROOM_BYTES = 48 << 20
"""Less than any bomb here would take."""
_CHILD = """
import resource
from tests.registry.codec.hostile import all_hostile
from tests.registry.codec.pictures import picture
from model_registry.codec.codecs import decode
from model_registry.errors import Undecodable
cases = all_hostile()
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {room}, taken + {room}))
for case in cases:
    try:
        decode(memoryview(case.content), case.codec, case.dtype, case.shape)
    except Undecodable:
        continue
    raise SystemExit(case.name)
"""


@pytest.mark.parametrize("case", HOSTILE, ids=[case.name for case in HOSTILE])
def test_what_no_encoder_makes_is_undecodable(case: Hostile) -> None:
    with pytest.raises(Undecodable):
        decode(memoryview(case.content), case.codec, case.dtype, case.shape)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what is taken from /proc")
def test_hostile_bytes_are_refused_before_room_is_made_for_what_they_announce() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(room=ROOM_BYTES)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@cache
def _honest() -> tuple[Hostile, ...]:
    """Return one good message of every codec."""
    real = normalised(picture())
    activations = np.random.default_rng(6).normal(size=(1, 8, 40)).astype(np.float32)
    batch = np.stack([picture(), picture()[::-1]])

    def case(array: Any, encoding: Encoding) -> Hostile:
        return Hostile("", encoding.codec, array.dtype.name, array.shape, honest(array, encoding))

    return (
        case(activations, Encoding(codec="fp16", ratio=1)),
        case(activations, Encoding(codec="int8", ratio=1, axis=1)),
        case(real, IMAGENET),
        case(real, Encoding(codec="jpeg", ratio=1, quality=90, scale=IMAGENET.scale, zero=IMAGENET.zero, axis=1)),
        case(batch, Encoding(codec="jpeg", ratio=1, quality=90)),
        case(signal(1, 900), Encoding(codec="flac", ratio=1)),
        case(signal(2, 2, 900), Encoding(codec="flac", ratio=1)),
        case((signal(1, 900) / 200).astype(np.float32), Encoding(codec="flac", ratio=1, scale=(1 / 200,))),
    )


SHAPES = st.lists(st.integers(0, 5) | st.sampled_from([3, 48, 64, 900, 2**31]), max_size=5).map(tuple)
DTYPES = st.sampled_from(["bool", "int8", "int16", "uint8", "int64", "float16", "float32", "float64"])
CODECS = st.sampled_from(["uint8", "jpeg", "flac", "fp16", "int8", "raw"])


def _array_or_undecodable(content: bytes, codec: str, dtype: str, shape: tuple[int, ...]) -> None:
    try:
        array = decode(memoryview(content), codec, dtype, shape)
    except Undecodable:
        return
    assert (array.dtype.name, array.shape, array.flags.writeable) == (dtype, shape, False)


@given(st.binary(max_size=200), CODECS, DTYPES, SHAPES)
def test_any_bytes_are_the_announced_array_or_undecodable(
    content: bytes, codec: str, dtype: str, shape: tuple[int, ...]
) -> None:
    _array_or_undecodable(content, codec, dtype, shape)


@settings(max_examples=300)
@given(st.data())
def test_good_messages_with_some_bytes_changed_are_the_announced_array_or_undecodable(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(_honest()))
    content = bytearray(case.content)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1) | st.integers(0, 120))] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    behind = data.draw(st.just(b"") | st.binary(max_size=40))
    shape = data.draw(st.just(case.shape) | SHAPES)
    _array_or_undecodable(bytes(content[:end]) + behind, case.codec, case.dtype, shape)
