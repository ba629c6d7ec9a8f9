"""What makes stages ready: hashes, trials and profiles, each once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from typing_extensions import override

from meshd.core.node import HostedStage, Way
from meshd.errors import ModelUnusable
from meshd.executor.admissions import Admissions
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from meshd.executor.hosted_section import HostedSection
from meshd.executor.profile_cache import ProfileCache
from model_registry.admission.admitted import Admitted, Limits
from model_registry.errors import Refused
from model_registry.manifest import Manifest
from model_registry.tensor import Tensor
from model_registry.tier import Tier, Variant
from tests.executor.artifacts import AdmitsAll, MemoryStore
from tests.executor.cuttable import cuttable_manifest, cuttable_model
from tests.executor.graphs import manifest_of, mean_model

CONTENT = cuttable_model()


class Asked(AdmitsAll):
    """Remembers what it was asked to admit, and refuses models of one name."""

    def __init__(self, refuses: str = "") -> None:
        super().__init__()
        self.names: list[str] = []
        self._refuses = refuses

    @override
    def admit(self, read: Callable[[], bytes], manifest: Manifest, tier: Tier, variant: Variant) -> Admitted:
        self.names.append(variant.name)
        if variant.name == self._refuses:
            raise Refused("memory", "It took 300 MB and the limit is 200 MB.", hint="Raise it.")
        return super().admit(read, manifest, tier, variant)


def hosting(
    admission: AdmitsAll | Admissions, manifest: Manifest, profiles: ProfileCache | None = None
) -> tuple[Executor, HostedModel]:
    executor = Executor(
        MemoryStore(CONTENT), slots=1, memory_budget_bytes=1 << 30, admission=admission, profiles=profiles
    )
    return executor, executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])


def test_stages_are_told_once_all_of_them_were_admitted_and_timed() -> None:
    admission = Asked()
    executor, hosted = hosting(admission, cuttable_manifest(CONTENT))
    assert executor.hosted_tiers()[0].stages == ()
    assert executor.prepare_stages(hosted)
    stages = executor.hosted_tiers()[0].stages
    assert admission.names == ["fp32", "stage-0", "stage-1", "stage-2"]
    assert [(stage.measured, stage.out_bytes, stage.may_travel) for stage in stages] == [
        (True, 68, True),
        (True, 72, True),
        (True, 0, True),
    ]
    assert all(stage.compute_s > 0 for stage in stages)
    executor.close()


def test_they_are_tried_once() -> None:
    admission = Asked()
    executor, hosted = hosting(admission, cuttable_manifest(CONTENT))
    assert executor.prepare_stages(hosted)
    assert executor.prepare_stages(hosted)
    assert len(admission.names) == 4
    executor.close()


def test_a_refused_stage_leaves_the_model_whole() -> None:
    executor, hosted = hosting(Asked(refuses="stage-1"), cuttable_manifest(CONTENT))
    assert not executor.prepare_stages(hosted)
    assert (hosted.stages_ready, executor.hosted_tiers()[0].stages) == (False, ())
    executor.close()


def test_stages_that_are_not_the_manifests_leave_the_model_whole() -> None:
    manifest = cuttable_manifest(CONTENT, stages=("0" * 64, "1" * 64, "2" * 64))
    executor, hosted = hosting(Asked(), manifest)
    assert not executor.prepare_stages(hosted)
    executor.close()


def test_an_artifact_that_rotted_meanwhile_leaves_the_model_whole() -> None:
    store = MemoryStore(CONTENT)
    executor = Executor(store, slots=1, memory_budget_bytes=1 << 30, admission=AdmitsAll())
    manifest = cuttable_manifest(CONTENT)
    hosted = executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])
    store.rotten = True
    assert not executor.prepare_stages(hosted)
    executor.close()


def test_a_model_that_cannot_be_cut_has_no_stages() -> None:
    executor = Executor(
        MemoryStore(mean_model()), slots=1, memory_budget_bytes=1 << 30, admission=(admission := Asked())
    )
    manifest = manifest_of(mean_model())
    hosted = executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])
    assert not executor.prepare_stages(hosted)
    assert admission.names == ["toy-fp32"]
    executor.close()


def test_where_memory_has_no_room_for_all_stages_at_once_their_times_are_the_manifests_shares() -> None:
    executor, hosted = hosting(AdmitsAll(), cuttable_manifest(CONTENT))
    executor.profile(hosted)
    hosted.memory_bytes = 1 << 30
    assert executor.prepare_stages(hosted)
    stages = executor.hosted_tiers()[0].stages
    assert [stage.measured for stage in stages] == [False, False, False]
    assert [stage.compute_s / hosted.compute_s for stage in stages] == pytest.approx([0.25, 0.5, 0.25])
    executor.close()


def test_stages_that_give_something_else_than_the_cut_says_leave_the_model_whole() -> None:
    manifest = cuttable_manifest(CONTENT)
    [tier] = manifest.tiers
    [variant] = tier.variants
    assert variant.split is not None
    first, second = variant.split.cuts
    x, bias = first.tensors
    split = replace(variant.split, cuts=(replace(first, tensors=(replace(x, dtype="float64"), bias)), second))
    tier = replace(tier, variants=(replace(variant, split=split),))
    executor, hosted = hosting(AdmitsAll(), replace(manifest, tiers=(tier,)))
    assert not executor.prepare_stages(hosted)
    with pytest.raises(ModelUnusable, match="'x' is float64 in the manifest and float32 in the graph"):
        HostedSection(hosted, 0, 1).open(CONTENT, threads=1)
    executor.close()


def test_a_split_that_names_a_weight_is_refused_though_its_stages_were_timed_before(tmp_path: Path) -> None:
    profiles = ProfileCache(tmp_path / "profiles.json")
    honest = cuttable_manifest(CONTENT)
    executor, hosted = hosting(AdmitsAll(), honest, profiles)
    assert executor.prepare_stages(hosted)
    executor.close()
    [tier] = honest.tiers
    [variant] = tier.variants
    assert variant.split is not None
    first, second = variant.split.cuts
    weight = Tensor(name="factor", dtype="float32", shape=())
    split = replace(variant.split, cuts=(replace(first, tensors=(*first.tensors, weight)), second))
    lying = replace(honest, tiers=(replace(tier, variants=(replace(variant, split=split),)),))
    executor, hosted = hosting(AdmitsAll(), lying, profiles)
    assert not executor.prepare_stages(hosted)
    assert executor.hosted_tiers()[0].stages == ()
    executor.close()


def test_profiles_of_stages_are_remembered_over_a_restart(tmp_path: Path) -> None:
    manifest = cuttable_manifest(CONTENT)
    told = []
    for _ in range(2):
        executor, hosted = hosting(AdmitsAll(), manifest, ProfileCache(tmp_path / "profiles.json"))
        executor.profile(hosted)
        assert executor.prepare_stages(hosted)
        told.append([stage.compute_s for stage in executor.hosted_tiers()[0].stages])
        executor.close()
    assert told[0] == told[1]


def test_what_a_node_announces_is_what_was_measured_with_care_and_not_what_an_overloaded_hour_took() -> None:
    executor, hosted = hosting(AdmitsAll(), cuttable_manifest(CONTENT))
    executor.profile(hosted)
    assert executor.prepare_stages(hosted)
    before = executor.hosted_tiers()
    for second in range(40):
        hosted.learn(5.0, work=1.0, now_s=float(second))
        hosted.stage_times.learn(0, 3, 5.0, 5.0, now_s=float(second))
    assert hosted.compute_s == 5.0
    assert executor.hosted_tiers() == before
    executor.close()


def test_what_crosses_too_early_may_not_travel_and_encodings_are_told() -> None:
    manifest = cuttable_manifest(CONTENT, privacy="device", private_depth=2)
    executor, hosted = hosting(AdmitsAll(), manifest)
    executor.prepare_stages(hosted)
    first, second, last = executor.hosted_tiers()[0].stages
    assert [first.may_travel, second.may_travel] == [False, True]
    assert [(way.codec, way.ratio) for way in first.ways] == [("fp16", 0.5)]
    assert (first.ways[0].seconds > 0, second.ways) == (True, ())
    assert isinstance(last, HostedStage)
    assert isinstance(first.ways[0], Way)
    executor.close()


@pytest.mark.slow
def test_stages_pass_a_real_trial_like_models_and_that_is_remembered(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=200_000_000, wall_s=60.0, size_bytes=1_000_000)
    admission = Admissions(tmp_path / "admitted.json", limits)
    executor, hosted = hosting(admission, cuttable_manifest(CONTENT))
    assert executor.prepare_stages(hosted)
    executor.close()
    unable = Admissions(tmp_path / "admitted.json", limits)
    unable.close()  # It would refuse whatever is to be tried.
    executor, hosted = hosting(unable, cuttable_manifest(CONTENT))
    assert executor.prepare_stages(hosted)
    executor.close()
