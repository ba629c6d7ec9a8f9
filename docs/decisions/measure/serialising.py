"""Measure what record 0001 states: one typed codec against msgpack with pydantic, on one request's metadata.

Needs two packages that meshd does not: `.venv/bin/pip install msgpack pydantic`.
Run: `.venv/bin/python docs/decisions/measure/serialising.py`
"""

import subprocess
import sys
import timeit
from collections.abc import Callable
from statistics import median
from typing import Annotated, Literal

import msgpack
import msgspec
from pydantic import BaseModel, ConfigDict, Field

from meshd.wire.messages import DType, Infer

ROUNDS, CALLS = 15, 20_000
METADATA = {
    "request_id": "7f0c9a52d1e84c2b",
    "model": "ecg-anomaly",
    "tensors": [{"name": "ecg", "dtype": "float32", "shape": [1, 1, 3600]}],
    "deadline_s": 0.5,
    "priority": "normal",
    "privacy": "household",
    "min_tier": "phone",
    "start_tier": "phone",
    "via": ["a" * 64],
}

Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
DeviceClass = Literal["watch", "phone", "hub", "upstream"]


class PydanticTensor(BaseModel):
    """The same bounds as `TensorHeader`."""

    model_config = ConfigDict(frozen=True)
    name: str = Field(min_length=1, max_length=128)
    dtype: DType
    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(max_length=8)


class PydanticInfer(BaseModel):
    """The same bounds as `Infer`."""

    model_config = ConfigDict(frozen=True)
    request_id: str = Field(min_length=1, max_length=64)
    model: str = Field(min_length=1, max_length=128)
    tensors: tuple[PydanticTensor, ...] = Field(max_length=64)
    deadline_s: float = Field(gt=0, le=86_400)
    priority: Literal["emergency", "normal", "background"] = "normal"
    privacy: Literal["device", "household", "public"] = "household"
    min_tier: DeviceClass | None = None
    start_tier: DeviceClass | None = None
    via: tuple[Fingerprint, ...] = Field(default=(), max_length=8)


def main() -> None:
    """Print microseconds of each way to encode and decode, and what importing each costs."""
    wire = msgpack.packb(METADATA)
    typed, other = msgspec.msgpack.Decoder(Infer).decode(wire), PydanticInfer(**msgpack.unpackb(wire))
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Infer).decode
    print(f"metadata: {len(wire)} bytes; median of {ROUNDS} rounds of {CALLS} calls")
    report("msgspec encode", lambda: encode(typed))
    report("msgpack + pydantic encode", lambda: msgpack.packb(other.model_dump()))
    report("msgspec decode, typed and bounded", lambda: decode(wire))
    report("msgpack + pydantic decode", lambda: PydanticInfer(**msgpack.unpackb(wire)))
    report("msgpack decode alone, nothing checked", lambda: msgpack.unpackb(wire))
    for modules in ("msgspec, msgspec.msgpack", "msgpack, pydantic.main"):
        print(f"import {modules}: {import_cost(modules)}")


def report(what: str, call: Callable[[], object]) -> None:
    """Print the median time of one call in microseconds."""
    seconds = median(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS
    print(f"{what:40} {seconds * 1e6:6.2f} us")


def import_cost(modules: str) -> str:
    """Return milliseconds and megabytes that an import adds to a fresh interpreter."""
    code = f"""
import time, psutil
process = psutil.Process()
bytes_before, start = process.memory_info().rss, time.perf_counter()
import {modules}
milliseconds = (time.perf_counter() - start) * 1e3
print(f"{{milliseconds:.0f}} ms, {{(process.memory_info().rss - bytes_before) / 2**20:.1f}} MB")
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
