"""What a model may take on its trial, and what it was found to take."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from model_registry.measured import Sha256

if TYPE_CHECKING:  # A file that is no model is told without numpy, whose import takes longer.
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Limits(Struct, frozen=True, kw_only=True):
    """What one model may take on its trial."""

    memory_bytes: int
    """Above what the process with its runtime occupies before the model is loaded."""
    wall_s: float
    """From the moment that the runtime is ready."""
    size_bytes: int
    """Of the artifact."""
    cpu_s: int | None = None
    """Processor time; half of the other unless set, for beside a busy daemon a niced process waits about half."""

    @property
    def computing_s(self) -> int:
        """Return the limit of processor time, in the whole seconds that systems count."""
        return max(1, ceil(self.wall_s / 2)) if self.cpu_s is None else self.cpu_s


class Golden(Struct, frozen=True, kw_only=True):
    """What the model answered here to :func:`model_registry.admission.golden.golden_inputs`."""

    drawn: bool
    """Whether the inputs are drawn from the artifact's hash; a model that takes no such values was given zeros."""
    repeatable: bool
    """Whether it answered the same question twice with the same bits; a model that draws lots does not."""
    digests: dict[str, Sha256]
    """Each output's digest, by name."""

    def differences(self, outputs: Mapping[str, Array]) -> list[str]:
        """Return the names of the outputs that are not what was answered at admission, bit for bit."""
        if not self.repeatable:
            return []
        return [name for name, digest in self.digests.items() if digest_of(outputs[name]) != digest]


class Admitted(Struct, frozen=True, kw_only=True):
    """What a trial has shown, on this machine."""

    artifact: Sha256
    peak_memory_bytes: int
    """At the largest input that the manifest allows, above the process with its runtime but without the model."""
    process_peak_bytes: int
    """Of the whole process, libraries included."""
    load_s: float
    """From bytes to the end of the first run."""
    smallest_p50_s: float
    """Of one run of the smallest input that the manifest allows."""
    smallest_p99_s: float
    largest_s: float
    """The slowest run of the largest input that the manifest allows."""
    golden: Golden


def digest_of(array: Array) -> str:
    """Return the SHA-256 of an array: of its type and shape, then of its elements."""
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()
