"""What goes into a model and comes out of it: names, element types and bounded shapes."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from model_registry.encoding import Encoding
from model_registry.flaw import Flaw, closest
from model_registry.measured import END, Label, Note

# The element types that travel as raw bytes: strings and 4-bit integers do not.
DType = Literal[
    "bool",
    "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip
_BITS = {dtype: int(dtype.lstrip("uinfloat")) for dtype in get_args(DType) if dtype != "bool"} | {"bool": 8}
AxisName = Annotated[
    str,
    Meta(
        pattern=rf"^[a-z][a-z0-9_]*{END}",
        max_length=32,
        description="an axis: a lower-case letter, then letters, digits and underscores",
    ),
]
Extent = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Axis(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How far a dynamic axis may stretch: from `min` to `max` elements, both allowed."""

    min: Extent = 1
    """Fewest elements."""
    max: Extent
    """Most elements: the model is admitted at this extent, and larger inputs are refused."""

    def flaws(self) -> Iterator[Flaw]:
        """Yield what is wrong with the bounds."""
        if self.min > self.max:
            yield Flaw(("min",), f"min = {self.min} is larger than max = {self.max}.")


class Tensor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One named tensor: an extent is a number, or the name of a dynamic axis of the manifest."""

    name: Label
    """What clients call it; the graph does too, unless a variant's names say otherwise."""
    dtype: DType
    """Type of its elements."""
    shape: tuple[Extent | AxisName, ...]
    """Outermost axis first."""
    unit: Note = ""
    """Physical unit of an element, if it has one."""
    description: Note = ""
    """What it means, for the person who feeds or reads it."""
    encodings: tuple[Encoding, ...] = ()
    """How it may be encoded on its way to another node, and what that costs; raw is always allowed."""

    def bytes_of(self, extents: Mapping[str, int]) -> int:
        """Return how many bytes it has where the axes have these lengths."""
        elements = prod(extent if isinstance(extent, int) else extents[extent] for extent in self.shape)
        return elements * (_BITS[self.dtype] // 8)

    def flaws(self, axes: Mapping[str, Axis]) -> Iterator[Flaw]:
        """Yield every extent that names no axis."""
        for extent in self.shape:
            if isinstance(extent, str) and extent not in axes:
                hint = closest(extent, axes) if axes else f"Declare it: [axes.{extent}] with a max."
                yield Flaw(("shape",), f"Tensor '{self.name}' names axis '{extent}', which [axes] lacks.", hint)
        for index, encoding in enumerate(self.encodings):
            yield from (flaw.below("encodings", index) for flaw in encoding.flaws())
