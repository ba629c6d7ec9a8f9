"""The data to learn from: inputs under the teacher's names, labels if there are any, and who is held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from model_registry.distill.errors import DistillError
from model_registry.distill.port import Port

VALIDATION, HELD_OUT = 0.1, 0.15
"""Shares of the examples that choose the best student, and that examine it."""

FEWEST = 40
"""With fewer, the examined ones are too few to say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """`inputs` by name, examples first and equally many; `labels` [examples, ...] where somebody knows the truth."""

    inputs: Mapping[str, NDArray[Any]]
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, index: NDArray[np.intp]) -> Examples:
        """Return some of the examples, in the order asked for."""
        labels = None if self.labels is None else self.labels[index]
        return Examples(inputs={name: part[index] for name, part in self.inputs.items()}, labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Three disjoint sets of positions."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    held_out: NDArray[np.intp]

    @classmethod
    def of(cls, count: int, seed: int) -> Split:
        """Deal `count` examples at random."""
        order = np.random.default_rng(seed).permutation(count)
        examined, choosing = int(count * HELD_OUT), int(count * VALIDATION)
        return cls(
            held_out=order[:examined],
            validation=order[examined : examined + choosing],
            train=order[examined + choosing :],
        )


def draws(count: int, batch: int, steps: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield the positions of a batch for each step, every example once before any comes again."""
    rng, batch = np.random.default_rng(seed), min(batch, count)
    order = rng.permutation(count)
    for _ in range(steps):
        if len(order) < batch:
            order = rng.permutation(count)
        yield order[:batch]
        order = order[batch:]


def read(path: Path, ports: Sequence[Port], labels: str | None = None) -> Examples:
    """Read an npz that holds an array for each input, and labels from one of its keys or from a file of their own.

    Raises: DistillError when an array is missing, does not fit its input, or is of another length.
    """
    arrays = _arrays(path)
    inputs = {port.name: _fitting(port, arrays, path) for port in ports}
    lengths = {name: len(part) for name, part in inputs.items()}
    if len(set(lengths.values())) > 1:
        raise DistillError(
            f"{path.name} holds different numbers of examples: {lengths}.",
            hint="Every array needs the same first axis.",
        )
    count = next(iter(lengths.values()))
    if count < FEWEST:
        raise DistillError(
            f"{path.name} holds {count} examples.", hint=f"Give at least {FEWEST}; thousands are better."
        )
    return Examples(inputs=inputs, labels=None if labels is None else _labels(labels, arrays, count))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DistillError(f"There is no file {path}.", hint="Give an npz with one array for each input.") from None
    except (OSError, ValueError, EOFError, BadZipFile) as cause:
        raise DistillError(f"{path.name} is no readable npz ({cause}).", hint="Write it with numpy.savez.") from cause
    if isinstance(loaded, np.ndarray):
        return {path.stem: loaded}
    with loaded:
        return dict(loaded)


def _fitting(port: Port, arrays: Mapping[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    if port.name not in arrays:
        raise DistillError(
            f"{path.name} holds no data for input {port}; it has {', '.join(sorted(arrays)) or 'nothing'}.",
            hint=f"Save the examples under the input's name: numpy.savez(path, {port.name}=...).",
        )
    found = arrays[port.name]
    wanted = port.shape[1:]
    fits = found.ndim == len(port.shape) and all(
        not isinstance(extent, int) or extent == there for extent, there in zip(wanted, found.shape[1:], strict=True)
    )
    if not fits:
        raise DistillError(
            f"'{port.name}' in {path.name} is {found.dtype}{list(found.shape)}, and the teacher takes {port}.",
            hint="The first axis counts examples; the others must be those of the input.",
        )
    if found.dtype != port.dtype:
        raise DistillError(
            f"'{port.name}' in {path.name} is {found.dtype}, and the teacher takes {port.element}.",
            hint="Convert it as the device will: a silent cast here would hide what happens there.",
        )
    if np.issubdtype(found.dtype, np.floating) and not np.isfinite(found).all():
        raise DistillError(f"'{port.name}' in {path.name} holds NaN or infinity.", hint="Leave those examples out.")
    return found


def _labels(source: str, arrays: Mapping[str, NDArray[Any]], count: int) -> NDArray[Any]:
    if source in arrays:
        found = arrays[source]
    elif Path(source).suffix in (".npy", ".npz"):
        held = _arrays(Path(source))
        if len(held) != 1 and "labels" not in held:
            raise DistillError(f"{source} holds {', '.join(sorted(held))}.", hint="Call the labels' array 'labels'.")
        found = held["labels"] if "labels" in held else next(iter(held.values()))
    else:
        raise DistillError(
            f"'{source}' is neither an array of the data nor an .npy or .npz file.",
            hint=f"The data has {', '.join(sorted(arrays))}.",
        )
    if len(found) != count:
        raise DistillError(f"There are {len(found)} labels for {count} examples.", hint="Give one for each.")
    return found
