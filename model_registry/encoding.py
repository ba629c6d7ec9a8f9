"""How a tensor may be encoded for a link, and what was measured of that."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from model_registry.measured import Note

Codec = Literal["uint8", "jpeg", "flac", "fp16", "int8"]


class Encoding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One codec that the model bears."""

    codec: Codec
    """`uint8`: the affine grid below; `jpeg`: pictures of 8 bits; `flac`: sound and other signals of 16 bits, lossless;
    `fp16`: half precision; `int8`: one scale for each channel."""
    ratio: Annotated[float, Meta(gt=0, le=4)]
    """Bytes on the link per byte of the tensor, median over the samples."""
    scale: Annotated[float, Meta(gt=0)] | None = None
    """`uint8`: value = scale * (number - zero)."""
    zero: Annotated[int, Meta(ge=0, le=255)] = 0
    """`uint8`: the number that stands for 0."""
    quality: Annotated[int, Meta(ge=1, le=100)] | None = None
    """`jpeg`: 1 to 100."""
    error: Annotated[float, Meta(ge=0)] = 0.0
    """Largest change of an output, as a share of the largest output; 0: lossless."""
    agreement: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the samples on which the answer stays the same."""
    samples: Note = ""
    """What both were measured on."""
