"""From trained networks to a bundle: calibrated, exported, quantised where that costs nothing, with its manifest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.manifest import Lifecycle, Manifest
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Alarm, Escalation, Tier, Variant
from model_registry.zoo.ecg import calibrate, export
from model_registry.zoo.ecg.cascade import alarm_threshold, flags
from model_registry.zoo.ecg.export import MOST_BEATS, OUTPUTS, TierName
from model_registry.zoo.ecg.network import Committee, FrameNet
from model_registry.zoo.ecg.recording import WINDOW_SAMPLES, Windows
from model_registry.zoo.ecg.sigmoid import fit
from model_registry.zoo.ecg.statistics import auroc, share

TIERS: tuple[TierName, ...] = ("watch", "phone", "hub")
VERSION = "1.0.0"

QUANTISED = ("watch", "phone")
"""Not the hub: among int8's 256 levels neighbouring frames tie, and a tie would mark one beat twice."""

TOLERATED = 0.002
"""AUROC that int8 may cost on held-out patients before the float32 artifact is shipped instead."""

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
    path: Path
    precision: Literal["int8", "fp32"]
    macs: int
    score: NDArray[np.float32]


def build(networks: Mapping[str, FrameNet], learned_from: Windows, held_out: HeldOut, bundle: Path) -> Manifest:
    """Write `manifest.toml` and `artifacts/` into a folder, and return the manifest.

    A tier's artifact holds its own network and those of the tiers below, and answers with their mean.

    int8 ranges come from windows the networks learned from; probabilities and escalation rules from held-out ones.

    Raises: CalibrationError when the held-out patients cannot carry the promised bound.
    """
    (bundle / "artifacts").mkdir(parents=True, exist_ok=True)
    tiers = tuple(
        _tier(tier, Committee([networks[member] for member in TIERS[: rank + 1]]), learned_from, held_out, bundle)
        for rank, tier in enumerate(TIERS)
    )
    manifest = Manifest(
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
        inputs=(
            Tensor(
                name="ecg",
                dtype="int16",
                shape=("batch", WINDOW_SAMPLES),
                unit="5 uV",
                description="Ten seconds of one lead (MLII) at 360 Hz, 200 counts per millivolt, unfiltered.",
            ),
        ),
        tiers=tiers,
    )
    (bundle / "manifest.toml").write_text(manifests.dumps(manifest), encoding="utf-8")
    return manifest


def _tier(tier: TierName, network: Committee, learned_from: Windows, held_out: HeldOut, bundle: Path) -> Tier:
    chosen = _chosen(tier, network, learned_from, held_out.windows, bundle)
    content = chosen.path.read_bytes()
    artifact = hashlib.sha256(content).hexdigest()
    truth = held_out.windows.anomalous
    evidence = calibrate.Evidence(
        score=chosen.score,
        truth=truth,
        patient=held_out.windows.patient,
        artifact=artifact,
        dataset_sha256=held_out.dataset_sha256,
    )
    said = flags(chosen.score)
    accuracy = {
        "auroc": auroc(chosen.score, truth),
        "sensitivity": share(said[truth]),
        "specificity": share(~said[~truth]),
        "balanced_accuracy": float((said[truth].mean() + (~said[~truth]).mean()) / 2.0),
    }
    escalation = _escalation(tier, evidence)
    return Tier(
        name=tier,
        outputs=tuple(_OUTPUT_TENSORS[name] for name in OUTPUTS[tier]),
        variants=(
            Variant(
                name=chosen.precision,
                precision=chosen.precision,
                file=chosen.path.relative_to(bundle).as_posix(),
                artifact=artifact,
                size_bytes=len(content),
                macs=chosen.macs,
                accuracy={name: round(value, 4) for name, value in accuracy.items() if value is not None},
            ),
        ),
        escalation=escalation,
        alarm=Alarm(output="anomaly", at_least=alarm_threshold(escalation)),
    )


def _escalation(tier: TierName, evidence: calibrate.Evidence) -> Escalation | None:
    match tier:
        case "watch":
            return calibrate.watch_rule(evidence)
        case "phone":
            return calibrate.phone_rule(evidence)
        case "hub":
            return None


def _chosen(tier: TierName, network: Committee, learned_from: Windows, held_out: Windows, bundle: Path) -> _Candidate:
    """Export both precisions, compare them on held-out patients, keep one file."""
    with tempfile.TemporaryDirectory() as scratch:
        int8, fp32 = _candidates(tier, network, learned_from, held_out, Path(scratch))
        quick, exact = (auroc(candidate.score, held_out.anomalous) or 0.0 for candidate in (int8, fp32))
        best = int8 if quick >= exact - TOLERATED and tier in QUANTISED else fp32
        print(f"{tier}: held-out AUROC int8 {quick:.4f}, fp32 {exact:.4f}: {best.precision} it is", file=sys.stderr)
        path = bundle / "artifacts" / best.path.name
        shutil.copyfile(best.path, path)
    return dataclasses.replace(best, path=path)


def _candidates(
    tier: TierName, network: Committee, learned_from: Windows, held_out: Windows, folder: Path
) -> Iterator[_Candidate]:
    fp32, int8 = folder / f"{tier}-fp32.onnx", folder / f"{tier}-int8.onnx"
    export.to_fp32(network, tier, fit(logits(network, held_out.ecg), held_out.anomalous), fp32)
    every = max(len(learned_from.ecg) // RANGE_WINDOWS, 1)
    export.to_int8(fp32, learned_from.ecg[::every], int8)
    macs = export.macs(fp32)
    yield _Candidate(path=int8, precision="int8", macs=macs, score=_scores(int8, held_out.ecg))
    yield _Candidate(path=fp32, precision="fp32", macs=macs, score=_scores(fp32, held_out.ecg))


def logits(network: Committee, ecg: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return how much a network finds windows anomalous, float32[windows]."""
    with torch.no_grad():
        parts = [network(torch.from_numpy(part.astype(np.float32))) for part in np.array_split(ecg, 16)]
    return np.asarray(torch.cat([window for window, _ in parts])[:, 0].numpy())


def _scores(path: Path, ecg: NDArray[np.int16]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    parts = [session.run(["anomaly"], {"ecg": part})[0] for part in np.array_split(ecg, 16)]
    return np.asarray(np.concatenate(parts))


_OUTPUT_TENSORS = {
    tensor.name: tensor
    for tensor in (
        Tensor(
            name="anomaly",
            dtype="float32",
            shape=("batch",),
            description="Calibrated probability that the window holds a beat of AAMI class S, V or F.",
        ),
        Tensor(
            name="aami",
            dtype="float32",
            shape=("batch", 4),
            description="Probability that the window holds a beat of class N, S, V, F, each for itself.",
        ),
        Tensor(
            name="beat_sample",
            dtype="int32",
            shape=("batch", MOST_BEATS),
            unit="samples",
            description="Where each beat lies in the window, in order of time; -1 past the last.",
        ),
        Tensor(
            name="beat_class",
            dtype="int32",
            shape=("batch", MOST_BEATS),
            description="Class of each beat: 0 N, 1 S, 2 V, 3 F; -1 past the last.",
        ),
        Tensor(
            name="beat_confidence",
            dtype="float32",
            shape=("batch", MOST_BEATS),
            description="Probability of beat and class together; 0 past the last.",
        ),
    )
}
