"""From a model that was read to the draft of its manifest: names, shapes, bounds, origin."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from model_registry.admission.inspection import inspect
from model_registry.convert import axes as axis_rules
from model_registry.convert.draft import Draft
from model_registry.convert.errors import ModelRefused
from model_registry.convert.feed import feed
from model_registry.convert.imported import Imported
from model_registry.convert.limits import LIMITS
from model_registry.convert.noise import noise, repeated
from model_registry.convert.samples import Samples
from model_registry.errors import ModelUnreadable, Refused, RunFailed
from model_registry.flaw import Flaw
from model_registry.inspection import license_flaw
from model_registry.manifest import Lifecycle
from model_registry.measured import Note
from model_registry.runtime.session import GraphTensor, Session, open_session
from model_registry.tensor import Axis, DType, Tensor
from model_registry.tier import Name
from model_registry.type_flaws import type_flaws

Example = Mapping[str, NDArray[Any]]
Privacy = Literal["device", "household", "public"]
UNKNOWN_LICENSE = "LicenseRef-unknown"
_DTYPES = frozenset(get_args(DType))
_LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user says about a model that its file does not."""

    name: str = ""
    summary: str = ""
    task: str = ""
    license: str = UNKNOWN_LICENSE
    privacy: Privacy | None = None
    axes: Mapping[str, Axis] = field(default_factory=dict)
    """Bounds of axes that the model must have."""
    known_axes: Mapping[str, Axis] = field(default_factory=dict)
    """Bounds of axes that it may have."""

    def flaws(self) -> Iterator[Flaw]:
        """Yield every wish that no manifest could hold, below its key; a licence has to be one of SPDX."""
        if self.name:
            yield from type_flaws(self.name, Name, ("name",))
        yield from type_flaws(self.task, Note, ("task",))
        if problem := license_flaw(self.license):
            hint = "https://spdx.org/licenses lists them, such as MIT; LicenseRef-NAME stands for one's own."
            yield Flaw(("license",), problem, hint)


def draft(imported: Imported, wishes: Wishes, samples: Samples | None = None, *, today: dt.date) -> Draft:
    """Return what the manifest will say of the model itself, after running it at small extents and at the longest.

    It runs on the first of the samples, repeated or cut to each extent, for an input may select what is computed: a
    sampling rate, say. Without samples it runs on noise.

    Raises:
        ModelRefused: no runtime runs it, a tensor cannot be carried by a manifest, or an axis has no bounds.
        SamplesRefused: the samples do not fit its inputs.

    """
    session = _opened(imported)
    for tensor in (*session.inputs, *session.outputs):
        _check_dtype(tensor)
    given = {**wishes.known_axes, **wishes.axes}
    shapes = {tensor.name: axis_rules.axis_names(tensor, given) for tensor in session.inputs}
    named = {extent for shape in shapes.values() for extent in shape}
    known = {axis: bounds for axis, bounds in wishes.known_axes.items() if axis in named}
    bounds = axis_rules.bounded(shapes, {**known, **wishes.axes})
    inputs = tuple(_tensor(tensor, shapes[tensor.name]) for tensor in session.inputs)
    example = feed(samples, inputs, bounds).one() if samples else None
    outputs, more = _outputs(session, inputs, bounds, example)
    return Draft(
        name=wishes.name or model_name(imported.origin),
        version="1.0.0",
        summary=wishes.summary or f"Imported from {imported.origin}.",
        license=wishes.license,
        task=wishes.task or "unspecified",
        privacy=wishes.privacy or "household",
        lifecycle=Lifecycle(
            imported=today,
            origin=f"{imported.origin}, converted by {imported.converted_by}"
            if imported.converted_by
            else imported.origin,
            origin_sha256=imported.origin_sha256,
        ),
        axes={**bounds, **more},
        inputs=inputs,
        outputs=tuple(_with_classes(tensor, imported.classes) for tensor in outputs),
    )


def model_name(origin: str) -> str:
    """Return a name for the model from its file's."""
    stem = PurePath(origin).name.partition(".")[0].lower()
    cleaned = re.sub(r"[._-]{2,}", "-", re.sub(r"[^a-z0-9._-]+", "-", stem)).strip("._-")
    return cleaned[:_LONGEST_NAME].rstrip("._-") or "model"


def _opened(imported: Imported) -> Session:
    """Look through the file as every node will, and only then load it.

    Raises:
        ModelRefused: a node would not even load it, or the runtime cannot.

    """
    content = imported.path.read_bytes()
    try:
        inspect(content, imported.format, LIMITS)
        return open_session(content, imported.format)
    except Refused as error:
        raise ModelRefused(f"Every node would refuse {imported.origin}: {error.message}", hint=error.hint) from error
    except ModelUnreadable as error:
        raise ModelRefused(f"{imported.origin} does not load. {error.message}", hint=error.hint) from error


def _check_dtype(tensor: GraphTensor) -> None:
    if tensor.dtype not in _DTYPES:
        raise ModelRefused(
            f"'{tensor.name}' is {tensor.dtype}, which the mesh does not carry.",
            hint=f"Export the model with tensors of one of these types: {', '.join(get_args(DType))}.",
        )
    if 0 in tensor.shape:
        raise ModelRefused(f"'{tensor.name}' has an axis of length 0.", hint="Export the model again.")


def _tensor(tensor: GraphTensor, shape: Sequence[int | str]) -> Tensor:
    return Tensor(name=tensor.name, dtype=_dtype(tensor), shape=tuple(shape))


def _dtype(tensor: GraphTensor) -> DType:
    return next(dtype for dtype in get_args(DType) if dtype == tensor.dtype)


def _outputs(
    session: Session, inputs: tuple[Tensor, ...], bounds: Mapping[str, Axis], example: Example | None
) -> tuple[tuple[Tensor, ...], dict[str, Axis]]:
    """Return the outputs as runs show them, and the axes that follow from the inputs by some rule of the graph."""
    names = [output.name for output in session.outputs]
    seen = [(extents, _shapes(session, inputs, names, extents, example)) for extents in axis_rules.trials(bounds)]
    longest = _shapes(session, inputs, names, axis_rules.item_extents(bounds), example)
    tensors, more = [], {}
    for output in session.outputs:
        shape: list[int | str] = []
        for index in range(len(longest[output.name])):
            lengths = [shapes[output.name][index] for _, shapes in seen]
            extent = _explained(lengths, [extents for extents, _ in seen])
            if extent is None:
                extent = axis_rules.plain(f"{output.name}_{index}")
                more[extent] = Axis(min=1, max=max(*lengths, longest[output.name][index]))
            shape.append(extent)
        tensors.append(_tensor(output, shape))
    return tuple(tensors), more


def _shapes(
    session: Session,
    inputs: tuple[Tensor, ...],
    names: list[str],
    extents: Mapping[str, int],
    example: Example | None,
) -> dict[str, tuple[int, ...]]:
    given = repeated(example, inputs, extents) if example else noise(inputs, extents, seed=0)
    try:
        outputs = session.run(names, given)
    except RunFailed as error:
        at = ", ".join(f"{name} = {extent}" for name, extent in extents.items()) or "its only form"
        tried = "the first example, repeated or cut to it" if example else "noise, in which wide integers are 0 or 1"
        raise ModelRefused(
            f"The model does not run on an input of the form that it declares ({at}); tried on {tried}. "
            f"{error.message}",
            hint="Bound its axes with --axis to what it takes, or export it again."
            if example
            else "If it takes only certain values, give examples of its inputs with --calibration FILE.npz. Otherwise "
            "bound its axes with --axis to what it takes, or export it again.",
        ) from error
    return {name: np.shape(output) for name, output in zip(names, outputs, strict=True)}


def _explained(lengths: list[int], extents: list[Mapping[str, int]]) -> int | str | None:
    """Return what an output's axis follows: a number, an axis of the inputs, or none that is known."""
    if len(set(lengths)) == 1:
        return lengths[0]
    followed = (name for name in extents[0] if [choice[name] for choice in extents] == lengths)
    return next(followed, None)


def _with_classes(tensor: Tensor, classes: tuple[int | float | str, ...]) -> Tensor:
    if not classes or tensor.shape[-1:] != (len(classes),):
        return tensor
    named = ", ".join(str(word) for word in classes[:20])
    return Tensor(name=tensor.name, dtype=tensor.dtype, shape=tensor.shape, description=f"One column a class: {named}.")
