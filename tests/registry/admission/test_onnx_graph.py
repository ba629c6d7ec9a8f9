import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.admission import onnx_graph, onnx_messages
from model_registry.admission.inspection import inspect
from model_registry.admission.onnx_graph import MOST_NODES
from model_registry.errors import Refused
from model_registry.runtime.wire_format import Malformed, Span
from model_registry.tier import Format
from tests.executor.graphs import mean_model
from tests.registry.admission import hostile
from tests.registry.admission.hostile import LIMITS

MODEL = mean_model()


def check(content: bytes) -> None:
    onnx_graph.check(content, memory_bytes=LIMITS.memory_bytes)


@pytest.mark.parametrize(
    "build", [mean_model, hostile.draws_lots, hostile.takes_small_values_only, hostile.endless_loop]
)
def test_a_whole_model_passes_whatever_it_may_do_when_it_runs(build: Callable[[], bytes]) -> None:
    check(build())


def test_nodes_are_counted_to_the_last_one() -> None:
    check(hostile.chain(MOST_NODES - 2))  # Two more take the mean.
    with pytest.raises(Refused, match="more than 20,000 nodes and functions"):
        check(hostile.chain(MOST_NODES - 1))


def test_what_is_kept_of_a_file_does_not_grow_with_it() -> None:
    functions = b"".join(_field(25, _field(1, b"%x" % number)) for number in range(MOST_NODES + 1))
    with pytest.raises(Refused, match="nodes and functions"):
        check(MODEL + functions)
    with pytest.raises(Refused, match="more than 64 axes"):
        check(MODEL + _field(7, _field(5, _field(1, bytes(100_000)))))
    strange = b"".join(_varint(number << 3) + b"\0" for number in range(100, 5_000))
    *_, model = onnx_messages.walk(MODEL + strange)
    assert model.fields <= {1, 2, 3, 4, 5, 6, 7}


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


@given(st.binary(max_size=200))
def test_any_bytes_pass_or_are_refused_and_nothing_else(content: bytes) -> None:
    with suppress(Refused):
        check(content)


@given(st.integers(0, len(MODEL) - 1), st.binary(min_size=1, max_size=8))
def test_any_damage_passes_or_is_refused_and_nothing_else(at: int, damage: bytes) -> None:
    with suppress(Refused):
        check(MODEL[:at] + damage + MODEL[at + len(damage) :])


@pytest.mark.parametrize("length", range(0, len(MODEL), 7))
def test_a_model_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(Refused):
        check(MODEL[:length])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x00\x01", "begins a field without a number"),
        (b"\xba\x80\x80\x80\x10\x00", "begins a field without a number"),
        (b"\x08" + b"\xff" * 11, "more than 10 bytes"),
        (b"\x08\xff", "reaches past the end"),
        (b"\x0a\x05abc", "announces 5 bytes and 3 are left"),
        (b"\x0b", "has the wire type 3"),
        (b"\x0d\x01\x02", "announces 4 bytes and 2 are left"),
    ],
)
def test_fields_that_are_none_are_told(content: bytes, problem: str) -> None:
    with pytest.raises(Malformed, match=problem):
        list(Span(content).fields())


@pytest.mark.parametrize(
    ("content", "model_format", "problem"),
    [
        (b"PK\x03\x04abcd", "onnx", "a zip archive"),
        (b"\x1f\x8babcdefg", "tflite", "a gzip archive"),
        (b"\x80\x04abcdefg", "onnx", "a Python pickle"),
        (b"\x1c\x00\x00\x00TFL3", "onnx", "a .tflite model, and the manifest says onnx"),
        (b"\x12\x40\x00\x00ORTM" + bytes(58) + MODEL, "onnx", "a model in onnxruntime's own format"),
        (MODEL, "tflite", "no .tflite model, and the manifest says tflite"),
    ],
)
def test_a_file_of_another_kind_is_called_by_its_name(content: bytes, model_format: Format, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as refused:
        inspect(content, model_format, LIMITS)
    assert refused.value.limit == "format"


@pytest.mark.slow
def test_looking_at_a_file_loads_neither_numpy_nor_a_runtime() -> None:
    script = "import sys, model_registry.admission.child; print({'numpy', 'onnx', 'onnxruntime'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert ran.stdout == b"set()\n"
