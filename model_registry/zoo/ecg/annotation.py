"""Beat annotations: MIT-BIH symbols, the AAMI classes they stand for, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASSES = ("N", "S", "V", "F")
"""AAMI classes the models name, in the order of every output. Source: ANSI/AAMI EC57."""

UNCLASSED = -1
"""A beat of AAMI class Q (paced, fusion with paced, unclassifiable): a beat, but of no class we learn or score."""

FLUTTER_WAVE = "!"
"""Ventricular flutter wave: no beat in AAMI's sense, so no window is anomalous for it, yet none is taught as calm."""

_SYMBOLS = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F"}
_CLASS_OF_SYMBOL = {
    symbol: CLASSES.index(name) for name, symbols in _SYMBOLS.items() for symbol in symbols
} | dict.fromkeys("/fQ", UNCLASSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beats:
    """Beats in order of time.

    `sample` is int32[beats], counted from the start of what is annotated; `label` is int8[beats], an index into
    CLASSES or UNCLASSED.
    """

    sample: NDArray[np.int32]
    label: NDArray[np.int8]

    @classmethod
    def empty(cls) -> Beats:
        """Return no beats."""
        return cls(sample=np.zeros(0, np.int32), label=np.zeros(0, np.int8))

    @classmethod
    def from_symbols(cls, sample: NDArray[np.integer], symbol: NDArray[np.str_]) -> Beats:
        """Keep the annotations that mark a beat; rhythm changes, noise and flutter waves fall away."""
        is_beat = np.array([str(mark) in _CLASS_OF_SYMBOL for mark in symbol], bool)
        label = [_CLASS_OF_SYMBOL[str(mark)] for mark in symbol[is_beat]]
        return cls(sample=sample[is_beat].astype(np.int32), label=np.array(label, np.int8))

    def between(self, start: int, stop: int) -> Beats:
        """Return the beats of [start, stop), counted from `start`."""
        inside = slice(*np.searchsorted(self.sample, [start, stop]))
        return Beats(sample=(self.sample[inside] - start).astype(np.int32), label=self.label[inside])

    @property
    def anomalous(self) -> bool:
        """Whether any beat is of class S, V or F."""
        return bool((self.label > 0).any())
