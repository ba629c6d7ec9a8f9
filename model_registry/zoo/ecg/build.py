"""From trained networks to a bundle: exported, quantised where that costs nothing, calibrated, with its manifest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.codec.effect import measured
from model_registry.encoding import Encoding
from model_registry.manifest import Lifecycle, Manifest
from model_registry.measured import Evaluation
from model_registry.pieces import PieceMap
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Alarm, Escalation, Tier, Variant
from model_registry.zoo.ecg import calibrate, export
from model_registry.zoo.ecg.cascade import alarm_threshold, flags
from model_registry.zoo.ecg.costs import with_costs
from model_registry.zoo.ecg.export import OUTPUTS, TierName
from model_registry.zoo.ecg.network import Committee, FrameNet
from model_registry.zoo.ecg.outputs import OUTPUT_TENSORS
from model_registry.zoo.ecg.recording import WINDOW_SAMPLES, Windows
from model_registry.zoo.ecg.sigmoid import fit
from model_registry.zoo.ecg.statistics import auroc, share

TIERS: tuple[TierName, ...] = ("watch", "phone", "hub")
VERSION = "1.0.0"

QUANTISED = ("watch", "phone")
"""Not the hub: among int8's 256 levels neighbouring frames tie, and a tie would mark one beat twice."""

TOLERATED = 0.002
"""AUROC that int8 may cost on held-out patients before the float32 artifact is preferred."""

RANGE_WINDOWS = 256
"""Windows, evenly taken, that show the ranges int8 must span."""

LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Windows of patients that no network learned from, and the file they come from."""

    windows: Windows
    dataset: str
    dataset_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An artifact in the bundle, and what it says of the held-out windows."""

    name: str
    path: Path
    precision: Literal["int8", "fp32"]
    macs: int
    score: NDArray[np.float32]
    compression: str
    parent: str | None


def build(
    networks: Mapping[str, FrameNet],
    learned_from: Windows,
    held_out: HeldOut,
    bundle: Path,
    *,
    small: FrameNet | None = None,
) -> Manifest:
    """Write `manifest.toml` and `artifacts/` into a folder, and return the manifest.

    A tier's artifact holds its own network and those of the tiers below, and answers with their mean. `small` is a
    student of the hub, a further variant of the watch.

    int8 ranges come from windows the networks learned from; probabilities and escalation rules from held-out ones.

    Raises: CalibrationError when the held-out patients cannot carry the promised bound.
    """
    (bundle / "artifacts").mkdir(parents=True, exist_ok=True)
    workshop = _Workshop(learned_from, held_out, bundle / "artifacts")
    made = {
        tier: workshop.variants(tier, Committee([networks[member] for member in TIERS[: rank + 1]]))
        for rank, tier in enumerate(TIERS)
    }
    if small is not None:
        made["watch"].append(workshop.small(small))
    tiers = tuple(_tier(tier, candidates, held_out) for tier, candidates in made.items())
    manifest = with_costs(_manifest(tiers, held_out), bundle, held_out.windows.ecg[:1])
    (bundle / "manifest.toml").write_text(manifests.dumps(manifest), encoding="utf-8")
    return manifest


def _manifest(tiers: tuple[Tier, ...], held_out: HeldOut) -> Manifest:
    return Manifest(
        schema=1,
        name="ecg-anomaly",
        version=VERSION,
        summary="Ten seconds of one ECG lead: anomalous or not, of which AAMI classes, and every beat.",
        license="Apache-2.0",
        task="ecg-anomaly-detection",
        privacy="household",
        unsigned=True,  # It comes with the package, and is trusted as the package is.
        lifecycle=Lifecycle(
            trained=dt.datetime.now(dt.UTC).date(),
            dataset=held_out.dataset,
            dataset_sha256=held_out.dataset_sha256,
            compression="int8 convolutions, static QDQ, per channel (onnxruntime), where precision says int8",
        ),
        axes={"batch": Axis(max=LARGEST_BATCH)},
        inputs=(taken(held_out.windows.ecg, f"{held_out.dataset}: {len(held_out.windows.ecg)} windows"),),
        tiers=tiers,
    )


def taken(windows: NDArray[np.int16], described: str) -> Tensor:
    """Return what the family takes: windows that FLAC gives back bit for bit, by how far it shrinks these.

    Raises: CodecMissing where the library of FLAC is not installed.
    """
    plain, samples = Encoding(codec="flac", ratio=1.0), [{"ecg": window[None]} for window in windows]
    return Tensor(
        name="ecg",
        dtype="int16",
        shape=("batch", WINDOW_SAMPLES),
        unit="5 uV",
        description="Ten seconds of one lead (MLII) at 360 Hz, 200 counts per millivolt, unfiltered.",
        encodings=(measured(plain, lambda given: given, samples, described=described[:128]),),
    )


def _tier(tier: TierName, candidates: Sequence[_Candidate], held_out: HeldOut) -> Tier:
    """Describe the variants, and calibrate for the first."""
    variants = tuple(_variant(candidate, held_out) for candidate in candidates)
    evidence = calibrate.Evidence(
        score=candidates[0].score,
        truth=held_out.windows.anomalous,
        patient=held_out.windows.patient,
        artifact=variants[0].artifact,
        dataset_sha256=held_out.dataset_sha256,
    )
    escalation = _escalation(tier, evidence)
    return Tier(
        name=tier,
        outputs=tuple(OUTPUT_TENSORS[name] for name in OUTPUTS[tier]),
        variants=variants,
        escalation=escalation,
        alarm=Alarm(output="anomaly", at_least=alarm_threshold(escalation)),
    )


def _variant(candidate: _Candidate, held_out: HeldOut) -> Variant:
    content, truth = candidate.path.read_bytes(), held_out.windows.anomalous
    said = flags(candidate.score)
    accuracy = {
        "auroc": auroc(candidate.score, truth),
        "sensitivity": share(said[truth]),
        "specificity": share(~said[~truth]),
        "balanced_accuracy": float((said[truth].mean() + (~said[~truth]).mean()) / 2.0),
    }
    return Variant(
        name=candidate.name,
        precision=candidate.precision,
        file=f"artifacts/{candidate.path.name}",
        artifact=hashlib.sha256(content).hexdigest(),
        pieces=PieceMap.of(content).root,
        size_bytes=len(content),
        macs=candidate.macs,
        compression=candidate.compression,
        parent=candidate.parent,
        accuracy={name: round(value, 4) for name, value in accuracy.items() if value is not None},
        evaluation=Evaluation(
            dataset=f"{held_out.dataset}: {', '.join(np.unique(held_out.windows.patient).tolist())}",
            dataset_sha256=held_out.dataset_sha256,
            items=len(truth),
        ),
    )


def _escalation(tier: TierName, evidence: calibrate.Evidence) -> Escalation | None:
    match tier:
        case "watch":
            return calibrate.watch_rule(evidence)
        case "phone":
            return calibrate.phone_rule(evidence)
        case "hub":
            return None


class _Workshop:
    """Makes artifacts in one folder, and looks at what they say of the held-out windows."""

    def __init__(self, learned_from: Windows, held_out: HeldOut, folder: Path) -> None:
        self._ranges = learned_from.ecg[:: max(len(learned_from.ecg) // RANGE_WINDOWS, 1)]
        self._held_out, self._folder = held_out.windows, folder

    def variants(self, tier: TierName, network: Committee) -> list[_Candidate]:
        """Export both precisions, compare them on held-out patients, and put the better first."""
        exact = self._exact(tier, network, tier)
        if tier not in QUANTISED:
            return [exact]
        quick = self._quick(exact, tier, "int8")
        of_quick, of_exact = (auroc(made.score, self._held_out.anomalous) or 0.0 for made in (quick, exact))
        print(f"{tier}: held-out AUROC int8 {of_quick:.4f}, fp32 {of_exact:.4f}", file=sys.stderr)
        return [quick, exact] if of_quick >= of_exact - TOLERATED else [exact, quick]

    def small(self, network: FrameNet) -> _Candidate:
        """Export a student of the hub as a watch; its float32 form is not kept."""
        exact = self._exact("watch", Committee([network]), "watch-small")
        quick = self._quick(exact, "watch-small", "int8-small")
        exact.path.unlink()
        hub = hashlib.sha256((self._folder / "hub-fp32.onnx").read_bytes()).hexdigest()
        told = f"distilled from the hub (model_registry.zoo.ecg.distil), then {quick.compression}"
        return dataclasses.replace(quick, compression=told, parent=hub)

    def _exact(self, tier: TierName, network: Committee, name: str) -> _Candidate:
        path = self._folder / f"{name}-fp32.onnx"
        probability = fit(logits(network, self._held_out.ecg), self._held_out.anomalous)
        export.to_fp32(network, tier, probability, path)
        return _Candidate(
            name="fp32",
            path=path,
            precision="fp32",
            macs=export.macs(path),
            score=_scores(path, self._held_out.ecg),
            compression="",
            parent=None,
        )

    def _quick(self, exact: _Candidate, file: str, name: str) -> _Candidate:
        path = self._folder / f"{file}-int8.onnx"
        export.to_int8(exact.path, self._ranges, path)
        return _Candidate(
            name=name,
            path=path,
            precision="int8",
            macs=exact.macs,
            score=_scores(path, self._held_out.ecg),
            compression=f"int8 convolutions, static QDQ, per channel, ranges from {len(self._ranges)} windows "
            f"(onnxruntime {onnxruntime.__version__})",
            parent=hashlib.sha256(exact.path.read_bytes()).hexdigest(),
        )


def logits(network: Committee, ecg: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return how much a network finds windows anomalous, float32[windows]."""
    with torch.no_grad():
        parts = [network(torch.from_numpy(part.astype(np.float32))) for part in np.array_split(ecg, 16)]
    return np.asarray(torch.cat([window for window, _ in parts])[:, 0].numpy())


def _scores(path: Path, ecg: NDArray[np.int16]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    parts = [session.run(["anomaly"], {"ecg": part})[0] for part in np.array_split(ecg, 16)]
    return np.asarray(np.concatenate(parts))
