"""The three artifacts as one: their manifest, verified and ready to look at windows."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.manifest import Manifest
from model_registry.tier import Escalation, Variant
from model_registry.zoo.ecg.annotation import Beats
from model_registry.zoo.ecg.errors import ArtifactError

SHIPPED = Path(__file__).parent
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one tier says about windows: its outputs by name, first axis windows."""

    outputs: dict[str, NDArray[Any]]

    @property
    def anomaly(self) -> NDArray[np.float32]:
        """Return float32[windows], the calibrated probability of an anomaly."""
        return self.outputs["anomaly"]

    @property
    def beats(self) -> tuple[Beats, ...]:
        """Return the beats that the hub marked in each window, padding removed."""
        marked = zip(self.outputs["beat_sample"], self.outputs["beat_class"], strict=True)
        return tuple(
            Beats(sample=sample[sample >= 0], label=label[sample >= 0].astype(np.int8)) for sample, label in marked
        )


class Family:
    """A manifest and a session for the first variant of each of its tiers."""

    def __init__(self, bundle: Path = SHIPPED) -> None:
        """Load the bundle in a folder.

        Raises: ManifestError for a bad manifest; ArtifactError for a missing file or one with another hash.
        """
        self.manifest: Manifest = manifests.load(bundle / "manifest.toml")
        self._sessions: dict[str, onnxruntime.InferenceSession] = {
            tier.name: _session(bundle, tier.variants[0]) for tier in self.manifest.tiers
        }

    def variant(self, tier: str) -> Variant:
        """Return the variant that is run for a tier."""
        found = self.manifest.tier(tier)
        assert found is not None
        return found.variants[0]

    @property
    def macs(self) -> dict[str, int]:
        """Return the multiply-accumulates of one window by tier."""
        return {tier.name: tier.variants[0].macs for tier in self.manifest.tiers}

    def rule(self, tier: str) -> Escalation:
        """Return a tier's escalation rule.

        Raises: ArtifactError when it has none, or it was calibrated for another artifact.
        """
        found = self.manifest.tier(tier)
        if found is None or found.escalation is None or not found.calibrated_for(found.variants[0]):
            raise ArtifactError(f"tier {tier} has no escalation rule that holds for its artifact; calibrate it again")
        return found.escalation

    def look(self, tier: str, ecg: NDArray[np.int16]) -> Looked:
        """Run one tier on int16[windows, 3600]."""
        session = self._sessions[tier]
        names = [output.name for output in session.get_outputs()]
        parts = [session.run(None, {"ecg": ecg[at : at + BATCH]}) for at in range(0, len(ecg), BATCH)]
        return Looked(outputs={name: np.concatenate(said) for name, *said in zip(names, *parts, strict=True)})

    def p50_ms(self, tier: str, ecg: NDArray[np.int16], runs: int = 200) -> float:
        """Return the median time of one window on this machine, one at a time."""
        session, spent = self._sessions[tier], []
        for at in range(runs):
            window = ecg[at % len(ecg)][None]
            start = time.perf_counter()
            session.run(None, {"ecg": window})
            spent.append(time.perf_counter() - start)
        return float(np.median(spent) * 1e3)


def _session(bundle: Path, variant: Variant) -> onnxruntime.InferenceSession:
    path = bundle / variant.file
    if not path.is_file():
        raise ArtifactError(f"{path} is missing; `python -m model_registry.zoo.ecg.train` makes it")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != variant.artifact:
        raise ArtifactError(f"{path} has SHA-256 {digest}, and the manifest was made for {variant.artifact}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
