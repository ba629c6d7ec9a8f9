"""How a tensor may be encoded for a link, and what was measured of that."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from model_registry.flaw import Flaw
from model_registry.measured import Note

MOST_CHANNELS = 64
"""More scales than that would be no grid of a sensor."""
Step = Annotated[float, Meta(gt=0, le=1e30)]
Zero = Annotated[float, Meta(ge=-1e9, le=1e9)]
Codec = Literal["uint8", "jpeg", "flac", "fp16", "int8"]


class Encoding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One codec that the model bears."""

    codec: Codec
    """`uint8`: the affine grid below; `jpeg`: pictures of 8 bits; `flac`: sound and other signals of 16 bits, lossless;
    `fp16`: half precision; `int8`: one scale for each channel."""
    ratio: Annotated[float, Meta(gt=0, le=4)]
    """Bytes on the link per byte of the tensor, median over the samples."""
    scale: Annotated[tuple[Step, ...], Meta(max_length=MOST_CHANNELS)] = ()
    """`uint8`, `jpeg` and `flac` of real numbers: value = scale * (number - zero); one for all, or one for each
    channel."""
    zero: Annotated[tuple[Zero, ...], Meta(max_length=MOST_CHANNELS)] = ()
    """`uint8` and `jpeg`: the number that stands for 0, which may lie between two; none: 0. As many as scales."""
    axis: Annotated[int, Meta(ge=0, le=7)] | None = None
    """The axis that counts the channels: of several scales, and of `int8`, which finds one itself if none is said."""
    quality: Annotated[int, Meta(ge=1, le=100)] | None = None
    """`jpeg`: 1 to 100."""
    error: Annotated[float, Meta(ge=0)] = 0.0
    """Largest change of an output, as a share of the largest output; 0: lossless, or of a codec that loses something:
    none was seen on these samples."""
    agreement: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the samples on which the answer stays the same."""
    samples: Note = ""
    """What both were measured on."""

    @property
    def is_exact(self) -> bool:
        """Tell whether every bit comes back: what a codec that keeps them cannot give back goes raw."""
        return self.codec in {"uint8", "flac"} and not self.error

    def flaws(self) -> Iterator[Flaw]:
        """Yield what no encoder could follow."""
        if self.zero and len(self.zero) != len(self.scale):
            problem = f"{len(self.scale)} scales stand beside {len(self.zero)} zeros."
            yield Flaw(("zero",), problem, "Give each scale its zero, or leave zero out.")
        if len(self.scale) > 1 and self.axis is None:
            yield Flaw(("scale",), f"{len(self.scale)} scales need the axis of their channels.", "Say axis = 1.")
        if self.codec == "uint8" and not self.scale:
            yield Flaw(("codec",), "uint8 needs the scale of its grid.", "Say scale = [0.00392].")
        if self.codec == "jpeg" and self.quality is None:
            yield Flaw(("codec",), "jpeg needs a quality.", "Say quality = 90.")
