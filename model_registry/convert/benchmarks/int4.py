"""What four-bit weights save and lose against eight-bit ones, on the matrices of one transformer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from msgspec import Struct
from numpy.typing import NDArray

from model_registry.convert.matrices import constant_matrices
from model_registry.convert.variants.int4 import Int4
from model_registry.convert.variants.int8_dynamic import Int8Dynamic
from model_registry.convert.variants.recipe import Parent
from model_registry.convert.variants.slim import Slim
from model_registry.runtime.session import Session, open_session

Array = NDArray[Any]
SEQUENCES = 64
_LENGTHS = (8, 64)
"""Tokens in a sequence: from a short to a long sentence."""
_VOCABULARY = 30522
"""Of BERT's uncased word pieces, which MiniLM was trained with."""
_FIRST_WORD = 1996
"""Source: its vocabulary; what comes before are marks, single letters and places left free."""
_START, _END = 101, 102


class Int4Figure(Struct, frozen=True, kw_only=True):
    """Bytes of the same matrices in both precisions, and how far sentence embeddings are from those in float32."""

    matrices: int
    weights: int
    int8_bytes: int
    """With scales and zero points, as are the four-bit ones."""
    int4_bytes: int
    int4_made: str
    sequences: int
    int8_cosine: float
    """Mean over the sequences."""
    int8_lowest_cosine: float
    int4_cosine: float
    int4_lowest_cosine: float

    @property
    def share(self) -> float:
        """Return what int4 takes of the bytes of int8."""
        return self.int4_bytes / self.int8_bytes


def measure_int4(transformer: Path, *, sequences: int = SEQUENCES) -> Int4Figure:
    """Quantise a sentence transformer with inputs like BERT's both ways, from the same float32 weights.

    Weights that the file holds as int8 with scales are multiplied out first, which is exact: both precisions start from
    what the model computes with. Sentences are word pieces drawn from a seed, for the vocabulary is not in the file.
    """
    with tempfile.TemporaryDirectory() as scratch:
        floats, int8, int4 = (Path(scratch) / f"{name}.onnx" for name in ("fp32", "int8", "int4"))
        Slim().make(Parent(transformer, None), floats)
        parent = Parent(floats, None)
        Int8Dynamic().make(parent, int8)
        made = Int4().make(parent, int4)
        matrices = constant_matrices(parent.model)
        truth, by_int8, by_int4 = (_embeddings(path, sequences) for path in (floats, int8, int4))
        cosine8, cosine4 = _cosines(by_int8, truth), _cosines(by_int4, truth)
        return Int4Figure(
            matrices=len(matrices),
            weights=sum(rows * columns for rows, columns in matrices.values()),
            int8_bytes=_bytes_of_matrices(int8, parent.model, matrices),
            int4_bytes=_bytes_of_matrices(int4, parent.model, matrices),
            int4_made=made,
            sequences=sequences,
            int8_cosine=float(cosine8.mean()),
            int8_lowest_cosine=float(cosine8.min()),
            int4_cosine=float(cosine4.mean()),
            int4_lowest_cosine=float(cosine4.min()),
        )


def _bytes_of_matrices(variant: Path, parent: Any, matrices: dict[str, tuple[int, int]]) -> int:
    """Return the bytes of every constant that stands for a matrix: those that the parent has not, or has as one."""
    untouched = {tensor.name for tensor in parent.graph.initializer} - matrices.keys()
    constants = onnx.load(variant).graph.initializer
    return sum(onnx.numpy_helper.to_array(t).nbytes for t in constants if t.name not in untouched)


def _embeddings(path: Path, sequences: int) -> Array:
    """Return float64[sequences, width]: the mean over each sequence's tokens."""
    session = open_session(path.read_bytes())
    rng = np.random.default_rng(0)
    return np.stack([_embedding(session, _sentence(rng)) for _ in range(sequences)])


def _sentence(rng: np.random.Generator) -> Array:
    words = rng.integers(_FIRST_WORD, _VOCABULARY, rng.integers(*_LENGTHS, endpoint=True))
    return np.concatenate([[_START], words, [_END]])[np.newaxis].astype(np.int64)


def _embedding(session: Session, tokens: Array) -> Array:
    inputs = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
    (hidden,) = session.run([session.outputs[0].name], {tensor.name: inputs[tensor.name] for tensor in session.inputs})
    mean: Array = hidden[0].astype(np.float64).mean(axis=0)
    return mean


def _cosines(ours: Array, truth: Array) -> Array:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(truth, axis=1)
    cosines: Array = (ours * truth).sum(axis=1) / lengths
    return cosines
