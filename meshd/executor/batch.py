"""Several requests for one model in one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshd.errors import ExecutionFailed
from meshd.executor.input_contract import BATCH
from meshd.executor.resident import Outputs, Resident
from meshd.executor.stage import Done, StageEnd
from meshd.executor.tensor_rule import Extents
from model_registry.runtime.session import Session

Array = NDArray[Any]


class Member:
    """One request of a batch, whose inputs keep the contract."""

    __slots__ = ("_decided", "called_off", "done", "end", "extents", "inputs", "items_told")

    def __init__(self, inputs: Mapping[str, Array], extents: Extents, done: Done) -> None:
        self.inputs = inputs
        self.extents = extents
        self.done = done
        self.end: StageEnd | None = None
        """None until it has run, and for ever where it was called off."""
        self.called_off = False
        self.items_told = self.items
        """Items of the run that it tells of; 0 where another member of the same run does."""
        self._decided = Lock()  # Whoever takes it first decides; nobody gives it back.

    @property
    def items(self) -> int:
        """Return how many items it holds."""
        return self.extents.get(BATCH, 1)

    def begin(self) -> bool:
        """Tell whether it may begin: it was not called off."""
        return self._decided.acquire(blocking=False)

    def call_off(self) -> bool:
        """Leave it out and tell whether that was in time."""
        self.called_off = self.called_off or self._decided.acquire(blocking=False)
        return self.called_off

    @property
    def shape(self) -> tuple[tuple[str, int], ...]:
        """Return the extents in which those that run together agree: all but the batch's."""
        return tuple(sorted((axis, extent) for axis, extent in self.extents.items() if axis != BATCH))


def run_together(
    resident: Resident, session: Session, members: Sequence[Member], *, most_items: int, load_s: float = 0.0
) -> None:
    """Run members in as few runs as ``most_items`` and their other axes allow, and give each its end."""
    for group in _groups([member for member in members if member.begin()], most_items):
        if len(group) == 1 or not _joined(resident, session, group, load_s):
            for member in group:  # One that fails shall not fail the others.
                member.end = run_alone(resident, session, member.inputs, member.extents, load_s=load_s)
        load_s = 0.0


def fail(members: Sequence[Member], why: ExecutionFailed) -> None:
    """Let all fail that have no end yet; what was called off stays so."""
    for member in members:
        if not member.called_off and member.end is None:
            member.end = why


def run_alone(
    resident: Resident, session: Session, inputs: Mapping[str, Array], extents: Extents, *, load_s: float = 0.0
) -> StageEnd:
    """Run once and return how that ended."""
    try:
        return resident.run(session, inputs, extents, load_s=load_s)
    except ExecutionFailed as error:
        return error


def _groups(members: Sequence[Member], most_items: int) -> Iterator[list[Member]]:
    """Yield what fits together, in the order in which it came."""
    open_groups: dict[tuple[tuple[str, int], ...], list[Member]] = {}
    for member in members:
        group = open_groups.setdefault(member.shape, [])
        if group and sum(other.items for other in group) + member.items > most_items:
            yield group
            group = open_groups[member.shape] = []
        group.append(member)
    yield from open_groups.values()


def _joined(resident: Resident, session: Session, group: Sequence[Member], load_s: float) -> bool:
    """Run a group at once, and tell whether that gave every member its part."""
    total = sum(member.items for member in group)
    joined = {name: np.concatenate([member.inputs[name] for member in group]) for name in group[0].inputs}
    try:
        outputs, compute_s = resident.compute(session, joined)
    except ExecutionFailed:
        return False
    if any(array.shape[:1] != (total,) for array in outputs.values()):
        return False
    for member, part in zip(group, _parts(outputs, [member.items for member in group]), strict=True):
        member.end = resident.judged(part, member.extents, items=total, compute_s=compute_s, load_s=load_s)
        member.items_told = 0
    group[0].items_told = total
    return True


def _parts(outputs: Outputs, counts: Sequence[int]) -> Iterator[Outputs]:
    """Yield the outputs of each in turn, as views."""
    at = 0
    for count in counts:
        yield {name: array[at : at + count] for name, array in outputs.items()}
        at += count
