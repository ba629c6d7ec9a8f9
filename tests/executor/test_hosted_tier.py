import pytest
from msgspec.structs import replace

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, HostedTier
from meshd.executor.hosted_tier import max_items, to_hosted_tier
from meshd.executor.stage_times import Timing
from model_registry.encoding import Encoding
from tests.executor.cuttable import cuttable_manifest, cuttable_model
from tests.executor.graphs import manifest_of, mean_model, square_root_model


def watch_tier(**options: object) -> HostedTier:
    manifest = manifest_of(mean_model(), square_root_model(), **options)  # type: ignore[arg-type]
    tier = manifest.tiers[0]
    return to_hosted_tier(manifest, tier, tier.variants[0], compute_s=0.002, load_s=0.03)


def test_a_hosted_tier_joins_the_manifest_with_what_was_measured() -> None:
    tier = watch_tier(low=0.25, high=0.75)
    assert tier == HostedTier(
        model=ModelName("toy"),
        version="1.2.3",
        tier=DeviceClass.WATCH,
        variant="toy-fp32",
        artifact=ArtifactHash(tier.artifact),
        accuracy=0.75,
        macs=16,
        compute_s=0.002,
        load_s=0.03,
        score_output="score",
        escalate_low=0.25,
        escalate_high=0.75,
        escalation_rate=0.25,
        raw_input_may_leave=True,
        input_bytes=32,
        max_items=4,
    )


def rule_of(tier: HostedTier) -> tuple[str | None, float, float | None, bool, float]:
    return tier.score_output, tier.escalate_low, tier.escalate_high, tier.calibrated, tier.escalation_rate


def test_a_rule_without_an_upper_threshold_has_none() -> None:
    assert rule_of(watch_tier(low=0.25)) == ("score", 0.25, None, True, 0.25)


def test_a_rule_calibrated_for_another_artifact_is_void_and_everything_escalates() -> None:
    tier = watch_tier(low=0.25, high=0.75, calibrated=False)
    assert rule_of(tier) == ("score", 0.25, 0.75, False, 1.0)


def test_a_tier_without_a_rule_never_escalates() -> None:
    assert rule_of(watch_tier()) == (None, 0.0, None, True, 0.0)


@pytest.mark.parametrize(("privacy", "may_leave"), [("device", False), ("household", True), ("public", True)])
def test_a_model_for_the_device_only_keeps_its_input_there(privacy: str, may_leave: bool) -> None:
    assert watch_tier(privacy=privacy).raw_input_may_leave is may_leave


@pytest.mark.parametrize(
    ("figures", "rank"),
    [
        ({"balanced_accuracy": 0.9, "cosine": 0.8}, 0.9),
        ({"rmse": 3.0, "r2": 0.7}, 0.7),
        ({"r2": -2.0}, 0.0),
        ({"cosine": 0.99}, 0.99),
        ({"rmse": 3.0}, 0.0),
    ],
)
def test_variants_rank_by_what_their_model_was_judged_by(figures: dict[str, float], rank: float) -> None:
    manifest = manifest_of(mean_model())
    tier = manifest.tiers[0]
    judged = replace(tier.variants[0], accuracy=figures)
    assert to_hosted_tier(manifest, tier, judged, compute_s=0.1, load_s=0.1).accuracy == rank


def test_inputs_that_bear_no_codec_travel_raw_beside_those_that_do() -> None:
    manifest = cuttable_manifest(cuttable_model())
    ecg, gain = manifest.inputs  # 32 and 4 bytes an item.
    manifest = replace(manifest, inputs=(replace(ecg, encodings=(Encoding(codec="flac", ratio=0.25),)), gain))
    tier = manifest.tiers[0]
    [way] = to_hosted_tier(manifest, tier, tier.variants[0], compute_s=0.1, load_s=0.1).ways
    assert (way.codec, way.ratio) == ("flac", (32 * 0.25 + 4) / 36)
    assert way.seconds > 0


def test_only_a_model_whose_tensors_all_count_items_first_is_run_in_batches() -> None:
    manifest = manifest_of(mean_model())
    tier = manifest.tiers[0]
    one = replace(tier, outputs=(replace(tier.outputs[0], shape=(1,)),))
    assert [max_items(manifest, each) for each in (tier, one)] == [4, 1]


def test_times_of_another_number_of_stages_are_those_of_no_stages() -> None:
    manifest = cuttable_manifest(cuttable_model())
    tier = manifest.tiers[0]
    timing = Timing(seconds=0.1, measured=True)
    for count, told in ((2, 0), (3, 3), (4, 0)):
        hosted = to_hosted_tier(manifest, tier, tier.variants[0], compute_s=0.1, load_s=0.1, stages=[timing] * count)
        assert len(hosted.stages) == told
