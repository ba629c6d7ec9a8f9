"""What encoding does to answers: of what crosses at a place, and of a model's inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from model_registry.codec.effect import measured
from model_registry.codec.suggestion import suggest
from model_registry.encoding import Encoding
from model_registry.partition.difference import LEAST_AGREEMENT, difference
from model_registry.partition.proof import Proof
from model_registry.partition.trials import Trials
from model_registry.runtime.session import Session
from model_registry.tensor import Tensor

Array = NDArray[Any]
_WORTH = 0.9
"""Bytes saved below that are not worth an encoder."""
_OF_ACTIVATIONS = (Encoding(codec="fp16", ratio=0.5), Encoding(codec="int8", ratio=0.25))


class Bounds(NamedTuple):
    """What an encoding may do to answers before it is left out."""

    most_error: float = 1e-2
    """Of an output, as a share of the largest."""
    least_agreement: float = LEAST_AGREEMENT

    def allow(self, encoding: Encoding) -> bool:
        """Tell whether an encoding keeps to them, and is worth it.

        Where nothing may change only what gives every bit back will do: another sample may show what these did not.
        """
        is_borne = encoding.error <= self.most_error and encoding.agreement >= self.least_agreement
        is_safe = encoding.is_exact or self.most_error > 0
        return is_borne and is_safe and encoding.ratio <= _WORTH


USUAL_BOUNDS = Bounds()


class Model(NamedTuple):
    """A variant in memory, its tensors under the manifest's names."""

    session: Session
    outputs: tuple[Tensor, ...]


def encodings_at(proof: Proof, index: int, bounds: Bounds) -> tuple[Encoding, ...]:
    """Return the codecs that the model bears at a place, with what each costs."""
    place, crossing = proof.arrangement.places[index], proof.arrangement.crossing[index]
    if not any(tensor.dtype in {"float32", "float64"} for tensor in crossing):
        return ()
    tail = proof.tail(place)
    samples = [_only(proof.before(place, inputs), crossing) for inputs in proof.trials.items()]
    if unvarying(samples):
        return ()

    def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
        return _only({**given, **_ran(tail, given)}, proof.outputs)

    tried = (
        measured(each, run, samples, agree=_agreement(proof.outputs), described=proof.trials.described)
        for each in _OF_ACTIVATIONS
    )
    return tuple(each for each in tried if bounds.allow(each))


def input_encodings(tensor: Tensor, models: Sequence[Model], trials: Trials, bounds: Bounds) -> tuple[Encoding, ...]:
    """Return the codecs that every one of several models bears for an input, at their worst."""
    samples = trials.items()
    if tensor.name in unvarying(samples):
        return ()
    proposals = suggest(tensor, [each[tensor.name] for each in samples])
    worst = (_worst([_measured(each, tensor.name, model, trials) for model in models]) for each in proposals)
    return tuple(encoding for encoding in worst if bounds.allow(encoding))


def unvarying(samples: Sequence[Mapping[str, Array]]) -> tuple[str, ...]:
    """Return the tensors that are the same in every sample: what a codec does to them there proves nothing.

    Of a single sample those that hold one number only.
    """
    return tuple(name for name in samples[0] if not _varies([sample[name] for sample in samples]))


def _varies(arrays: Sequence[Array]) -> bool:
    first, *others = arrays
    if not others:
        return bool((first != first.flat[0]).any()) if first.size else False
    return not all(np.array_equal(first, each) for each in others)


def _measured(encoding: Encoding, name: str, model: Model, trials: Trials) -> Encoding:
    names = [output.name for output in model.outputs]

    def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
        return dict(zip(names, model.session.run(names, given), strict=True))

    agree = _agreement(model.outputs)
    return measured(encoding, run, trials.items(), names=[name], agree=agree, described=trials.described)


def _worst(found: Sequence[Encoding]) -> Encoding:
    error, agreement = max(each.error for each in found), min(each.agreement for each in found)
    return replace(found[0], error=error, agreement=agreement)


def _agreement(outputs: Sequence[Tensor]) -> Callable[[Mapping[str, Array], Mapping[str, Array]], float]:
    return lambda truth, answer: difference([(truth, answer)], outputs).agreement


def _ran(session: Session, known: Mapping[str, Array]) -> dict[str, Array]:
    names = [output.name for output in session.outputs]
    return dict(zip(names, session.run(names, {t.name: known[t.name] for t in session.inputs}), strict=True))


def _only(arrays: Mapping[str, Array], tensors: Iterable[Tensor]) -> dict[str, Array]:
    return {tensor.name: arrays[tensor.name] for tensor in tensors}
