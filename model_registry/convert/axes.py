"""How far a model's dynamic axes may stretch: named, and bounded by whoever imports it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from model_registry.convert.errors import ModelRefused
from model_registry.flaw import closest
from model_registry.runtime.session import GraphTensor
from model_registry.tensor import Axis

BATCH = "batch"
BATCH_BOUNDS = Axis(min=1, max=64)
"""Of a leading dynamic axis, unless the user says otherwise: more at once gains nothing on small devices."""
_LONGEST = 32
_OPTION = re.compile(r"^(?P<name>[a-z][a-z0-9_]{0,31})=(?:(?P<min>\d{1,10})\.\.)?(?P<max>\d{1,10})$")


def parse_axis(option: str) -> tuple[str, Axis]:
    """Read `name=min..max`, or `name=max`.

    Raises:
        ModelRefused: it is written otherwise, or its bounds make no axis.

    """
    found = _OPTION.match(option)
    if found is None:
        raise ModelRefused(f"--axis {option} cannot be read.", hint="Write --axis batch=1..64.")
    axis = Axis(min=int(found["min"] or 1), max=int(found["max"]))
    if not 1 <= axis.min <= axis.max < 2**31:
        raise ModelRefused(f"--axis {option} has no extent.", hint="Write the smaller bound first, from 1 on.")
    return found["name"], axis


def axis_names(tensor: GraphTensor, given: Iterable[str]) -> tuple[int | str, ...]:
    """Return a tensor's extents with every dynamic one named: `batch` leads unless the user names it otherwise."""
    return tuple(_extent(tensor, index, set(given)) for index in range(len(tensor.shape)))


def bounded(inputs: Mapping[str, tuple[int | str, ...]], given: Mapping[str, Axis]) -> dict[str, Axis]:
    """Return the bounds of every axis of the inputs.

    Raises:
        ModelRefused: one has no bounds, or bounds were given for one that is not there.

    """
    named: dict[str, str] = {}
    for name, shape in inputs.items():
        for extent in shape:
            if isinstance(extent, str):
                named.setdefault(extent, name)
    unbounded = [axis for axis in named if axis not in given and axis != BATCH]
    if unbounded:
        places = ", ".join(f"'{axis}' of input '{named[axis]}'" for axis in unbounded)
        options = " ".join(f"--axis {axis}=1..128" for axis in unbounded)
        raise ModelRefused(f"These axes may be of any length: {places}.", hint=f"Bound them, such as: {options}")
    for axis in given:
        if axis not in named:
            hint = closest(axis, named) if named else "All axes of this model are fixed."
            raise ModelRefused(f"No input has a dynamic axis '{axis}'.", hint=hint)
    return {axis: given.get(axis, BATCH_BOUNDS) for axis in named}


def trials(axes: Mapping[str, Axis]) -> Iterator[dict[str, int]]:
    """Yield three small choices of extents: each axis changes if it can, and no two alike if they can."""
    for step in range(3):
        yield {name: _extent_at(axis, index, step) for index, (name, axis) in enumerate(axes.items())}


def item_extents(axes: Mapping[str, Axis]) -> dict[str, int]:
    """Return the extents of one item as large as allowed: a batch of the fewest, every other axis at its longest."""
    return {name: axis.min if name == BATCH else axis.max for name, axis in axes.items()}


def plain(word: str) -> str:
    """Return a name as a manifest can carry it for an axis."""
    cleaned = re.sub(r"[^a-z0-9_]+", "_", word.lower()).strip("_")
    return (cleaned if cleaned[:1].isalpha() else f"axis_{cleaned}")[:_LONGEST].rstrip("_")


def _extent_at(axis: Axis, index: int, step: int) -> int:
    count = axis.max - axis.min + 1
    stride = 3 if count % 3 else 4  # A stride that shares a factor with the count would come back to where it was.
    return axis.min + (1 + index + stride * step) % count


def _extent(tensor: GraphTensor, index: int, given: set[str]) -> int | str:
    extent = tensor.shape[index]
    if isinstance(extent, int) and extent > 0:
        return extent
    name = plain(extent) if isinstance(extent, str) else plain(f"{tensor.name}_{index}")
    return BATCH if index == 0 and name not in given else name
