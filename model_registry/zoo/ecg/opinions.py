"""What every tier and the cascade said about windows whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import Beats
from model_registry.zoo.ecg.cascade import Verdicts, verdicts
from model_registry.zoo.ecg.family import Family
from model_registry.zoo.ecg.recording import Windows

TIERS = ("watch", "phone", "hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """`scores` by tier are float32[windows]; `truth` is bool[windows]; `marked` are the beats the hub saw."""

    truth: NDArray[np.bool_]
    patient: NDArray[np.str_]
    scores: dict[str, NDArray[np.float32]]
    cascade: Verdicts
    beats: tuple[Beats, ...]
    marked: tuple[Beats, ...]

    @classmethod
    def of(cls, family: Family, windows: Windows) -> Opinions:
        """Show windows to every tier of a family, and play the cascade.

        Raises: RecordingError when the windows are not annotated; ArtifactError when a rule does not hold.
        """
        truth = windows.anomalous
        assert windows.beats is not None
        looked = {tier: family.look(tier, windows.ecg) for tier in TIERS}
        scores = {tier: looked[tier].anomaly for tier in TIERS}
        return cls(
            truth=truth,
            patient=windows.patient,
            scores=scores,
            cascade=verdicts(
                scores["watch"], scores["phone"], scores["hub"], family.rule("watch"), family.rule("phone")
            ),
            beats=windows.beats,
            marked=looked["hub"].beats,
        )

    @classmethod
    def join(cls, parts: Sequence[Opinions]) -> Opinions:
        """Return the opinions of all parts, in order."""
        return cls(
            truth=np.concatenate([part.truth for part in parts]),
            patient=np.concatenate([part.patient for part in parts]),
            scores={tier: np.concatenate([part.scores[tier] for part in parts]) for tier in TIERS},
            cascade=Verdicts.join([part.cascade for part in parts]),
            beats=tuple(beats for part in parts for beats in part.beats),
            marked=tuple(beats for part in parts for beats in part.marked),
        )
