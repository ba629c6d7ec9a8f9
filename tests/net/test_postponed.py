"""Requests that wait keep their order and their deadline, and one that is cancelled costs those behind it nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from typing_extensions import override

from meshd.net import postponed
from meshd.net.postponed import Postponed
from meshd.wire.messages import LEAST_DEADLINE_S, Infer

NOTHING = memoryview(b"")


def infer(request_id: str, *, model: str = "m") -> Infer:
    return Infer(request_id=request_id, model=model, tensors=(), deadline_s=10.0)


def taken(waiting: Postponed) -> list[str]:
    names = []
    while waiting.waiting:
        names.append(waiting.take()[0].request_id)
    return names


def test_the_first_come_first_but_for_what_was_cancelled() -> None:
    waiting = Postponed()
    for name in ("a", "b", "c", "b"):
        waiting.add(infer(name), NOTHING)
    waiting.forget("a")
    waiting.forget("nobody")
    assert taken(waiting) == ["b", "b", "c"]


def test_what_is_left_of_a_deadline_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 4.0, 60.0])
    monkeypatch.setattr(postponed, "monotonic", lambda: next(clock))
    waiting = Postponed()
    waiting.add(infer("a"), memoryview(b"x"))
    waiting.add(infer("b"), NOTHING)
    assert waiting.take() == (replace(infer("a"), deadline_s=6.0), memoryview(b"x"))
    assert waiting.take() == (replace(infer("b"), deadline_s=LEAST_DEADLINE_S), NOTHING)


def test_to_cancel_one_of_many_looks_at_none_of_the_others() -> None:
    looked_at = 0

    class Watched(str):
        __slots__ = ()
        __hash__ = str.__hash__

        @override
        def __eq__(self, other: object) -> bool:
            nonlocal looked_at
            looked_at += 1
            return str.__eq__(self, other)

    waiting = Postponed()
    for number in range(1000):
        waiting.add(infer(Watched(f"r{number}")), NOTHING)
    looked_at = 0
    for number in range(100):
        waiting.forget(Watched(f"x{number}"))
    assert looked_at < 100
