"""What a manifest promises of a tier's outputs, and the one number that its escalation rule reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshd.executor.tensor_rule import Extents, TensorRule
from model_registry.tensor import Axis
from model_registry.tier import Tier

Array = NDArray[Any]


class OutputContract:
    """The outputs of one tier."""

    def __init__(self, tier: Tier, axes: Mapping[str, Axis], *, finite: bool = True) -> None:
        """Take the manifest's word; ``finite`` tells whether every element must be."""
        self._rules = {tensor.name: TensorRule(tensor, axes, finite=finite) for tensor in tier.outputs}
        self._rule = tier.escalation
        self._alarm = tier.alarm
        self.names = list(self._rules)

    def flaw(self, outputs: Mapping[str, Array], extents: Extents) -> str:
        """Return what is wrong with the outputs of a run, or nothing; ``extents`` are those of its inputs."""
        known = dict(extents)
        for name, rule in self._rules.items():
            problem = rule.flaw(outputs[name], known)
            if problem:
                return f"Output {problem}"
        return ""

    def score(self, outputs: Mapping[str, Array]) -> float | None:
        """Return what the escalation rule reads, or where there is none what the alarm reads; none without either.

        Of a batch it is the value that most wants escalation: the one deepest inside [low, high), and if none lies
        inside, the one nearest to it. So a batch escalates if one of its items would.
        """
        if self._rule is None:
            return None if self._alarm is None else float(outputs[self._alarm.output].max())
        scores = outputs[self._rule.score].reshape(-1)
        if scores.size == 1:
            return float(scores[0])
        high = np.inf if self._rule.high is None else self._rule.high
        inside = scores[(scores >= self._rule.low) & (scores < high)]
        considered = inside if inside.size else scores
        depth = np.minimum(considered - self._rule.low, high - considered)
        return float(considered[depth.argmax()])

    def anomalous(self, outputs: Mapping[str, Array]) -> bool | None:
        """Tell whether the tier raises its alarm for any item of the batch; none when it has no alarm."""
        if self._alarm is None:
            return None
        return bool(outputs[self._alarm.output].max() >= self._alarm.at_least)
