"""Seconds grow with bytes, differ by codec, and are known without loading any library."""

import subprocess
import sys
from typing import get_args

import pytest

from model_registry.codec import available, seconds
from model_registry.encoding import Codec

_CHILD = """
import sys
from model_registry.codec import available, seconds
assert all(seconds(codec, 1000) > 0 for codec in available())
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"simplejpeg", "soundfile", "onnxruntime", "PIL", "cffi"}))
"""


def test_every_codec_has_a_cost_that_grows_with_the_bytes() -> None:
    for codec in get_args(Codec):
        assert 0 < seconds(codec, 0) < seconds(codec, 1_000_000)


def test_codecs_without_a_library_can_always_be_undone() -> None:
    assert {"uint8", "fp16", "int8"} <= set(available()) <= set(get_args(Codec))


def test_what_this_node_can_undo_and_what_it_costs_is_known_without_loading_a_library() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_each_picture_of_a_batch_costs_what_one_by_itself_does() -> None:
    one, many = seconds("jpeg", 192, (1, 8, 8, 3)), seconds("jpeg", 192_000, (1000, 8, 8, 3))
    assert many == pytest.approx(1000 * one)
    assert seconds("uint8", 192_000, (1000, 8, 8, 3)) == seconds("uint8", 192_000)
