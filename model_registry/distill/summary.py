"""What is to be said of what was made."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from model_registry.distill.latency import Latency


class Candidate(Struct, frozen=True, kw_only=True):
    """One precision of what was made, examined on the held-out examples."""

    precision: str
    size_bytes: int
    agreement: dict[str, float]
    """With the teacher, by output; 1 is entirely."""
    accuracy: dict[str, float] = {}
    """Against the labels; empty without any."""
    latency: Latency | None = None
    latency_ratio: float | None = None
    """Its median run over the teacher's, both measured in turns."""

    def timed(self, latency: Latency, teacher: Latency) -> Candidate:
        """Return it with what it took beside its teacher."""
        ratio = round(latency.p50_ms / teacher.p50_ms, 4)
        return msgspec.structs.replace(self, latency=latency, latency_ratio=ratio)


class Summary(Struct, frozen=True, kw_only=True):
    """What was made of which teacher, and how near it comes on examples that it did not learn from."""

    teacher: str
    teacher_bytes: int
    made: str
    """What was done to make the candidates."""
    learned_from: int
    """Examples that weights were fitted to."""
    examined_on: int
    teacher_latency: Latency
    teacher_accuracy: dict[str, float]
    candidates: tuple[Candidate, ...]

    def json(self) -> bytes:
        """Return it as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"
