"""The models of the worlds: what their tiers take on the core where they were measured, and what their answers mean.

Sources: the manifest of ecg-anomaly as it ships, and models.toml, which says where each figure is from.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from msgspec import Struct

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, Way
from model_registry import manifest
from model_registry.tier import Tier
from policies.scenario.model import Model
from policies.scenario.toml_file import decode

_LOADING_YARDSTICK_MS = 6.223
"""MobileNetV1 in fp32 on the core where loading was measured: the manifest of ecg-anomaly."""

_WITHOUT_MODELS_BYTES = 76_000_000
"""What a daemon's process takes before the first model: docs/decisions/0004-memory.md."""

_ECG_LOAD_MS = {"watch": 7.0, "phone": 10.0, "hub": 15.0}
"""The watch's: docs/decisions/0019-stages.md. The others are assumed: their files are three and twenty times larger."""

_ECG_DOUBTFUL = {"watch": 0.12, "phone": 0.04, "hub": 0.0}
"""Share of windows that a tier is in doubt about. The manifest expects 0.206 and 0.039 of all windows to be passed on;
with one window in ten anomalous, all of which the watch passes on, 0.12 of the others remain."""


class Cut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place where a model may be cut."""

    share: float
    """Of the work, before it."""
    out_bytes: int
    """What crosses there, of one item."""


class TierFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tier, on the core where it was measured."""

    tier: DeviceClass
    precision: Literal["int8", "fp32"]
    macs: int
    p50_ms: float
    yardstick_ms: float
    """What MobileNetV1 takes on that core in this precision."""
    load_ms: float
    memory_bytes: int
    accuracy: float
    artifact: str = ""
    escalate_low: float = 0.0
    escalate_high: float | None = None
    expected_rate: float = 0.0
    """Share of answers that escalate, as the manifest announces it; 0 for the last tier."""
    doubtful: float = 0.0
    """True share of inputs that it is in doubt about, over all moods of a stream."""
    missed: float = 0.0
    """True share of anomalies that it is sure are normal."""
    false_alarms: float = 0.0
    """True share of normal inputs that it is sure are anomalies."""
    cuts: tuple[Cut, ...] = ()


class ModelFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of the catalogue."""

    name: str
    input_bytes: int
    result_bytes: int
    tiers: tuple[TierFigures, ...]
    alarm_at: float | None = None
    further_item: float = 1.0
    max_items: int = 1
    ways: tuple[Way, ...] = ()

    @property
    def form(self) -> Model:
        """Return what a scenario says of it."""
        return Model(
            name=ModelName(self.name),
            input_bytes=self.input_bytes,
            result_bytes=self.result_bytes,
            alarm_at=self.alarm_at,
            further_item=self.further_item,
        )

    def tier(self, name: str) -> TierFigures:
        """Return the tier of this name; KeyError if there is none."""
        return {tier.tier.value: tier for tier in self.tiers}[name]

    def artifact(self, tier: TierFigures) -> ArtifactHash:
        """Return what stands for the hash of a tier's file."""
        return ArtifactHash(tier.artifact or f"{self.name}-{tier.tier}")


class _Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    models: tuple[ModelFigures, ...]


@cache
def catalogue() -> dict[str, ModelFigures]:
    """Return every model by its name."""
    text = files("policies.scenario").joinpath("models.toml").read_text(encoding="utf-8")
    models = (_ecg_anomaly(), *decode(text, "models.toml", _Catalogue).models)
    return {model.name: model for model in models}


def known_tiers() -> list[str]:
    """Return every ``model/tier``."""
    return [f"{model.name}/{tier.tier}" for model in catalogue().values() for tier in model.tiers]


def loading_ratio(fp32_ms: float) -> float:
    """Return how much longer loading takes on a device of this yardstick than where it was measured."""
    return fp32_ms / _LOADING_YARDSTICK_MS


def _ecg_anomaly() -> ModelFigures:
    text = files("model_registry.zoo").joinpath("ecg", "manifest.toml").read_text(encoding="utf-8")
    shipped = manifest.loads(text, "ecg/manifest.toml")
    return ModelFigures(
        name=shipped.name,
        input_bytes=7_200,  # 3,600 samples of two bytes.
        result_bytes=500,
        alarm_at=shipped.tiers[0].alarm.at_least if shipped.tiers[0].alarm else None,
        further_item=0.7,  # Assumed: small convolutions leave a core half idle.
        max_items=16,
        tiers=tuple(_ecg_tier(tier) for tier in shipped.tiers),
    )


def _ecg_tier(tier: Tier) -> TierFigures:
    best, rule = tier.variants[0], tier.escalation
    measured, accuracy = best.costs[0], best.accuracy
    assert measured.yardstick_ms is not None, "the shipped manifest is measured"
    assert measured.peak_memory_bytes is not None, "the shipped manifest is measured"
    return TierFigures(
        tier=DeviceClass(tier.name),
        precision="int8" if best.precision == "int8" else "fp32",
        macs=best.macs,
        p50_ms=measured.p50_ms,
        yardstick_ms=measured.yardstick_ms,
        load_ms=_ECG_LOAD_MS[tier.name],
        memory_bytes=measured.peak_memory_bytes - _WITHOUT_MODELS_BYTES,
        accuracy=accuracy["balanced_accuracy"],
        artifact=best.artifact,
        escalate_low=rule.low if rule else 0.0,
        escalate_high=rule.high if rule else None,
        expected_rate=rule.expected_rate if rule else 0.0,
        doubtful=_ECG_DOUBTFUL[tier.name],
        missed=rule.bound.measured_missed if rule else 1.0 - accuracy["sensitivity"],
        false_alarms=1.0 - accuracy["specificity"],
    )
