from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from model_registry.codec import decode, encode
from model_registry.pieces import PieceMap
from model_registry.zoo.ecg.beat_matching import tally
from model_registry.zoo.ecg.calibrate import CONFIDENCE, MISSED
from model_registry.zoo.ecg.demo_stream import DemoStream
from model_registry.zoo.ecg.errors import ArtifactError
from model_registry.zoo.ecg.family import SHIPPED, Family

TIERS = ("watch", "phone", "hub")
LARGEST_BYTES = {"watch": 100_000, "phone": 5_000_000, "hub": 12_000_000}


def test_every_shipped_artifact_is_the_one_its_manifest_names(family: Family) -> None:
    files = {path.name for path in (SHIPPED / "artifacts").iterdir()}
    for tier, variant in family.manifest.variants():
        content = (SHIPPED / variant.file).read_bytes()
        told = (hashlib.sha256(content).hexdigest(), len(content), PieceMap.of(content).root)
        assert told == (variant.artifact, variant.size_bytes, variant.pieces)
        assert len(content) <= LARGEST_BYTES[tier.name]
        files.discard(Path(variant.file).name)
    assert not files


def test_every_variant_says_what_it_costs_what_it_is_worth_and_on_whom(family: Family) -> None:
    for _, variant in family.manifest.variants():
        assert {"auroc", "balanced_accuracy"} <= variant.accuracy.keys()
        assert variant.evaluation is not None
        assert (variant.evaluation.items, variant.evaluation.reference) == (900, "labels")
        assert [cost.how for cost in variant.costs] == ["measured"]


def test_a_variant_of_integers_names_the_artifact_that_it_was_made_of(family: Family) -> None:
    made = {variant.artifact for _, variant in family.manifest.variants()}
    for _, variant in family.manifest.variants():
        assert (variant.parent in made) == (variant.precision == "int8")
        assert bool(variant.compression) == (variant.precision == "int8")


def test_the_distilled_watch_has_two_percent_of_the_hub_s_bytes_and_is_within_a_point_of_it(family: Family) -> None:
    watch, hub = family.manifest.tier("watch"), family.variant("hub")
    assert watch is not None
    small = next(variant for variant in watch.variants if variant.name == "int8-small")
    assert small.size_bytes <= 0.02 * hub.size_bytes
    assert small.accuracy["balanced_accuracy"] >= hub.accuracy["balanced_accuracy"] - 0.01
    assert small.costs[0].p50_ms <= 0.5 * hub.costs[0].p50_ms
    assert not watch.calibrated_for(small)


def test_the_escalation_rules_hold_for_the_shipped_artifacts_and_keep_the_promise(family: Family) -> None:
    for tier in ("watch", "phone"):
        bound = family.rule(tier).bound
        assert bound.artifact == family.variant(tier).artifact
        assert (bound.confidence, bound.missed <= MISSED) == (CONFIDENCE, True)


def test_a_changed_artifact_is_refused(family: Family, tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "manifest.toml", tmp_path)
    shutil.copytree(SHIPPED / "artifacts", tmp_path / "artifacts")
    changed = tmp_path / family.variant("watch").file
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="the manifest was made for"):
        Family(tmp_path)


@pytest.mark.parametrize("tier", TIERS)
def test_a_window_is_answered_alike_alone_and_among_others(family: Family, stream: DemoStream, tier: str) -> None:
    windows = stream.windows[:8]
    together = family.look(tier, windows).outputs
    alone = [family.look(tier, window[None]).outputs for window in windows]
    for name, said in together.items():
        np.testing.assert_allclose(said, np.concatenate([one[name] for one in alone]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tier", TIERS)
def test_no_window_however_odd_is_answered_with_nan(family: Family, tier: str) -> None:
    odd = np.zeros((4, 3600), np.int16)
    odd[1], odd[2, ::2], odd[3] = 32767, -32768, np.random.default_rng(1).integers(-32768, 32767, 3600)
    said = family.look(tier, odd)
    assert all(np.isfinite(output).all() for output in said.outputs.values())
    assert ((said.anomaly >= 0) & (said.anomaly <= 1)).all()


def test_beats_come_in_order_of_time_with_padding_last(family: Family, stream: DemoStream) -> None:
    said = family.look("hub", stream.windows[stream.real]).outputs
    for sample, label, confidence in zip(said["beat_sample"], said["beat_class"], said["beat_confidence"], strict=True):
        count = int((sample >= 0).sum())
        assert (np.diff(sample[:count]) > 0).all()
        assert (sample[count:] == -1).all()
        assert (label[count:] == -1).all()
        assert (confidence[count:] == 0).all()
        assert set(label[:count].tolist()) <= {0, 1, 2, 3}


def test_the_hub_finds_the_beats_of_the_demo_s_real_windows(family: Family, stream: DemoStream) -> None:
    real = np.flatnonzero(stream.real).tolist()
    counted = tally([stream.beats(at) for at in real], family.look("hub", stream.windows[real]).beats)
    found, named = sum(counted.right.values()), counted.figures()["V"]["sensitivity"]
    assert found / len(stream.beat_sample) > 0.75  # Class F, which nobody taught, is the rest.
    assert named is not None
    assert named > 0.9


def test_the_watch_passes_the_demo_s_anomalies_on_and_keeps_most_calm_windows(
    family: Family, stream: DemoStream
) -> None:
    up = family.look("watch", stream.windows).anomaly >= family.rule("watch").low
    assert up[stream.anomalous].mean() >= 0.95
    assert up[~stream.real].mean() <= 0.3


def test_a_window_may_travel_as_flac_which_gives_every_bit_back(family: Family, stream: DemoStream) -> None:
    pytest.importorskip("soundfile", reason="FLAC is in the extra `codecs`")
    (ecg,) = family.manifest.inputs
    (flac,) = ecg.encodings
    assert (flac.codec, flac.is_exact) == ("flac", True)
    for window in stream.windows[:32, None]:
        encoded = encode(window, flac)
        assert encoded is not None
        assert len(encoded.content) < 0.5 * window.nbytes
        assert np.array_equal(decode(encoded.content, "flac", "int16", window.shape), window)
