"""An input or output of an ONNX model, as its own graph declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from typing_extensions import override

NUMBERS: Final[Mapping[str, type[np.generic]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
    **{f"tensor({sign}int{bits})": np.dtype(f"{sign}int{bits}").type for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""Element types that a student can be shown, by the name that onnxruntime gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """`shape` holds an extent where it is fixed, a name or None where it is not; the first axis is the batch."""

    name: str
    element: str
    shape: tuple[int | str | None, ...]

    @classmethod
    def of(cls, declared: Any) -> Port:
        """Read what an onnxruntime session tells of one of its inputs or outputs."""
        return cls(name=declared.name, element=declared.type, shape=tuple(declared.shape))

    @property
    def dtype(self) -> type[np.generic] | None:
        """Return the numpy type of its elements, None where they are no numbers."""
        return NUMBERS.get(self.element)

    @property
    def is_float(self) -> bool:
        """Tell whether it speaks in real numbers, which can be approached, rather than in whole ones."""
        return self.dtype is not None and np.issubdtype(self.dtype, np.floating)

    @override
    def __str__(self) -> str:
        extents = ", ".join("?" if extent is None else str(extent) for extent in self.shape)
        return f"'{self.name}' {self.element}[{extents}]"
