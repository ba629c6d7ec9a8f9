"""What an encoding does to a model's answers, measured by running the model on what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from model_registry.codec.codecs import decode, encode
from model_registry.codec.encoded import Array
from model_registry.encoding import Encoding

Tensors = Mapping[str, Array]
Run = Callable[[Tensors], Tensors]
"""Runs the model, or what is left of it behind a cut."""
Agree = Callable[[Tensors, Tensors], float]


class _Sent(NamedTuple):
    tensors: Tensors
    ratio: float


def measured(
    encoding: Encoding,
    run: Run,
    samples: Sequence[Tensors],
    *,
    names: Sequence[str] | None = None,
    agree: Agree | None = None,
    described: str = "",
) -> Encoding:
    """Return the encoding with its ratio, error and agreement on these samples.

    `names` are the tensors that it is for; none: all. `agree` tells the share of a sample's items on which two answers
    say the same: :func:`same_answers` unless given. `described` names the samples.

    Raises:
        ValueError: there are no samples.
        RunFailed: the model gave up.
    """
    if not samples:
        raise ValueError("an encoding is measured on one sample at least.")
    ratios, errors, agreements = [], [], []
    for sample in samples:
        sent = _sent(encoding, sample, names)
        expected, found = run(sample), run(sent.tensors)
        ratios.append(sent.ratio)
        errors.append(_largest_change(expected, found))
        agreements.append((agree or same_answers)(expected, found))
    return replace(
        encoding,
        ratio=round(median(ratios), 4),
        error=float(f"{max(errors):.3g}"),
        agreement=float(f"{fmean(agreements):.6f}"),
        samples=described or encoding.samples,
    )


def same_answers(expected: Tensors, found: Tensors) -> float:
    """Return the share of items whose first output says the same.

    That is the place of the largest number on the last axis; where that axis has but one, or there is none beside the
    batch, the side of one half on which the number lies.
    """
    name = next(iter(expected))
    one, other = np.atleast_1d(expected[name]), np.atleast_1d(found[name])
    ranked = one.ndim > 1 and one.shape[-1] > 1
    same = one.argmax(-1) == other.argmax(-1) if ranked else (one >= 0.5) == (other >= 0.5)
    return float(same.reshape(len(one), -1).all(-1).mean())


def _sent(encoding: Encoding, sample: Tensors, names: Sequence[str] | None) -> _Sent:
    """Return what arrives of a sample, and its bytes on the link per byte."""
    arrived = dict(sample)
    chosen = [name for name in sample if names is None or name in names]
    link_bytes = 0
    for name in chosen:
        array = sample[name]
        encoded = encode(array, encoding)
        link_bytes += array.nbytes if encoded is None else len(encoded.content)
        if encoded is not None:
            arrived[name] = decode(encoded.content, encoding.codec, array.dtype.name, array.shape)
    return _Sent(arrived, link_bytes / max(1, sum(sample[name].nbytes for name in chosen)))


def _largest_change(expected: Tensors, found: Tensors) -> float:
    """Return the largest change of any output, as a share of that output's largest number."""
    return max((_change(expected[name], found[name]) for name in expected), default=0.0)


def _change(expected: Array, found: Array) -> float:
    if not expected.size or np.array_equal(expected, found):
        return 0.0
    one, other = expected.astype(np.float64), found.astype(np.float64)
    scale = float(np.abs(one).max())
    return float(np.abs(one - other).max()) / (scale or 1.0)
