"""What one event costs: made, and written to a journal; as a frozen dataclass and as an msgspec struct."""

import timeit
from dataclasses import asdict, dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """As the design page drew it."""

    request_id: str
    attempt: int
    compute_s: float
    load_s: float
    score: float | None
    malformed: bool


class Struct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """As it is."""

    request_id: str
    attempt: int
    compute_s: float
    load_s: float
    score: float | None
    malformed: bool


FIELDS = {"request_id": "r", "attempt": 1, "compute_s": 0.1, "load_s": 0.0, "score": 0.5, "malformed": False}
CALLS = 200_000

for name, kind in (("dataclass", Plain), ("struct", Struct)):
    one = kind(**FIELDS)
    made = min(timeit.repeat(lambda kind=kind: kind(**FIELDS), number=CALLS, repeat=5)) / CALLS
    written = min(timeit.repeat(lambda one=one: msgspec.json.encode(one), number=CALLS, repeat=5)) / CALLS
    print(f"{name:10} made {made * 1e9:5.0f} ns, written {written * 1e9:5.0f} ns")
assert asdict(Plain(**FIELDS)) == FIELDS
