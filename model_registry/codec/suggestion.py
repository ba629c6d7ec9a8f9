"""Which encodings could pay for a tensor, by what its samples look like; what they do to answers is measured apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np
from msgspec.structs import replace

from model_registry.codec.channels import quietest_axis
from model_registry.codec.codecs import available, encode
from model_registry.codec.encoded import REAL, Array
from model_registry.codec.grid_search import grid_under, step_under
from model_registry.encoding import Encoding
from model_registry.tensor import Tensor

QUALITY = 90
"""Of a JPEG: what the seed models' answers hardly notice; `meshd models split` may be told another."""
_WORTH = 0.95
"""An encoding that saves less is not proposed."""
_SMALLEST_SIDE = 32
"""Below it a picture has few blocks of 8 by 8, and a header weighs more than it saves."""


def suggest(tensor: Tensor, samples: Sequence[Array]) -> list[Encoding]:
    """Return encodings that make all samples of a tensor smaller, lossless ones first, each with its median ratio.

    Only codecs whose library is here are tried. Error and agreement are still to be measured.
    """
    drafts = [draft for draft in _drafts(tensor, samples) if draft.codec in available()]
    weighed = [replace(draft, ratio=ratio) for draft in drafts if (ratio := _ratio(draft, samples)) is not None]
    return [encoding for encoding in weighed if encoding.ratio <= _WORTH]


def _drafts(tensor: Tensor, samples: Sequence[Array]) -> Iterator[Encoding]:
    real = tensor.dtype in REAL
    if tensor.dtype == "int16":
        yield Encoding(codec="flac", ratio=1)
    elif real and len(tensor.shape) in {2, 3} and (step := step_under(samples)) is not None:
        yield Encoding(codec="flac", ratio=1, scale=(step,))
    grid = grid_under(samples) if real else None
    if grid is not None:
        yield grid
    if _pictured(samples) and (grid is not None or tensor.dtype == "uint8"):
        plain = grid or Encoding(codec="jpeg", ratio=1)
        yield replace(plain, codec="jpeg", quality=QUALITY)
    if real:
        yield Encoding(codec="fp16", ratio=1)
        yield Encoding(codec="int8", ratio=1, axis=_axis(samples))


def _ratio(encoding: Encoding, samples: Sequence[Array]) -> float | None:
    """Return the median ratio, if every sample can be encoded."""
    encoded = [encode(sample, encoding) for sample in samples]
    shares = [len(one.content) / each.nbytes for one, each in zip(encoded, samples, strict=True) if one is not None]
    return round(median(shares), 4) if shares and len(shares) == len(samples) else None


def _pictured(samples: Sequence[Array]) -> bool:
    """Tell whether the samples are laid out like pictures: one or three channels, first or last, and two long sides."""
    return all(_is_picture(sample.shape[-3:]) for sample in samples if sample.ndim in {3, 4}) and all(
        sample.ndim in {3, 4} for sample in samples
    )


def _is_picture(item: tuple[int, ...]) -> bool:
    first, last = item[0] in {1, 3}, item[2] in {1, 3}
    sides = item[1:] if first else item[:2]
    return (first or last) and min(sides) >= _SMALLEST_SIDE


def _axis(samples: Sequence[Array]) -> int | None:
    """Return the axis that leaves least noise in most samples."""
    axes = Counter(quietest_axis(np.asarray(sample, np.float32)) for sample in samples if sample.ndim and sample.size)
    return axes.most_common(1)[0][0] if axes else None
