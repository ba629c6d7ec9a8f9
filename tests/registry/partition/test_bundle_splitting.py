"""A bundle is split in place: its files, its manifest, and what no longer holds."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from model_registry import manifest as manifests
from model_registry.admission.admit import admit
from model_registry.convert.errors import SamplesRefused
from model_registry.convert.limits import LIMITS
from model_registry.encoding import Encoding
from model_registry.errors import ModelUnknown
from model_registry.inspection import inspect
from model_registry.manifest import Manifest
from model_registry.partition.effects import Bounds, unvarying
from model_registry.partition.errors import NotCuttable
from model_registry.runtime.session import open_session
from model_registry.runtime.stage_file import stage_bytes
from model_registry.section import section_of, stage_model
from model_registry.tensor import Tensor
from model_registry.tier import Bound, Escalation
from model_registry.trust.signing import sign_bundle
from model_registry.trust.signing_key import SigningKey
from tests.registry.partition.bundles import INPUT, OUTPUT, split, variant, write
from tests.registry.partition.graphs import NARROW, WIDE, WIDTH, layers, model, node


def net(x: str = "x", y: str = "y", *, name: str = "l") -> bytes:
    """Return a chain that is narrow in its middle, for batches."""
    nodes = [
        *layers(x, "a", name=name),
        node("MatMul", "a narrow", "b"),
        node("MatMul", "b wide", "c"),
        *layers("c", y, name="r"),
    ]
    made = model(
        nodes, inputs={x: ("batch", WIDTH)}, outputs={y: ("batch", WIDTH)}, constants={"narrow": NARROW, "wide": WIDE}
    )
    return bytes(made.SerializeToString())


def one_node() -> bytes:
    made = model([node("Tanh", "x", "y")], inputs={"x": ("batch", WIDTH)}, outputs={"y": ("batch", WIDTH)})
    return bytes(made.SerializeToString())


def only(manifest: Manifest) -> Any:
    (_, found), *_ = manifest.variants()
    return found


def test_a_bundle_is_sound_after_it_was_split_and_names_where_it_may_be_cut(tmp_path: Path) -> None:
    before = write(tmp_path / "net", {"plain": net()})

    outcome = split(tmp_path / "net")

    inspection = inspect(tmp_path / "net")
    assert (inspection.sound, inspection.findings) == (True, ())
    assert inspection.manifest == outcome.manifest
    found, old = only(outcome.manifest), only(before)
    assert found.split.stages
    assert found.parent == old.artifact
    assert "cutting" in found.compression
    assert found.artifact != old.artifact


def test_nothing_but_the_new_file_is_left(tmp_path: Path) -> None:
    write(tmp_path / "net", {"plain": net()})

    outcome = split(tmp_path / "net")

    assert [path.name for path in (tmp_path / "net" / "artifacts").iterdir()] == [
        Path(only(outcome.manifest).file).name
    ]


def test_splitting_again_keeps_the_parent_and_says_the_same(tmp_path: Path) -> None:
    write(tmp_path / "net", {"plain": net()})
    first = only(split(tmp_path / "net", most=1).manifest)

    second = only(split(tmp_path / "net", most=3).manifest)

    assert (second.parent, second.compression) == (first.parent, first.compression)
    assert inspect(tmp_path / "net").sound


def test_files_behind_a_link_are_not_cut(tmp_path: Path) -> None:
    manifest = write(tmp_path / "net", {"plain": net()})
    (tmp_path / "net" / "artifacts").rename(tmp_path / "elsewhere")
    (tmp_path / "net" / "artifacts").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotCuttable, match="symbolic link"):
        split(tmp_path / "net")

    assert manifests.load(tmp_path / "net" / "manifest.toml") == manifest


def test_comments_and_order_of_a_manifest_stay(tmp_path: Path) -> None:
    write(tmp_path / "net", {"plain": net()})
    path = tmp_path / "net" / "manifest.toml"
    path.write_text("# Made by hand.\n" + path.read_text())

    split(tmp_path / "net")

    assert path.read_text().startswith("# Made by hand.\nschema = 1\n")


def test_a_signature_does_not_outlive_what_it_was_for(tmp_path: Path) -> None:
    write(tmp_path / "net", {"plain": net()})
    sign_bundle(tmp_path / "net", SigningKey.create(tmp_path / "key.pem"))

    outcome = split(tmp_path / "net")

    assert outcome.lost_signature
    assert (outcome.manifest.signature, outcome.manifest.unsigned) == (None, True)


def test_a_rule_that_held_for_a_file_holds_for_the_one_that_answers_bit_for_bit_alike(tmp_path: Path) -> None:
    score = Tensor(name="y", dtype="float32", shape=("batch", WIDTH))
    manifest = write(tmp_path / "net", {"plain": net()}, outputs=(score,))
    _calibrate(tmp_path / "net", manifest, only(manifest).artifact)

    outcome = split(tmp_path / "net")

    assert outcome.recalibrate == ()
    assert outcome.manifest.tiers[0].calibrated_for(only(outcome.manifest))


def _calibrate(folder: Path, manifest: Manifest, artifact: str) -> None:
    """Give the first of two tiers a rule that was shown to hold for an artifact."""
    bound = Bound(
        missed=0.1,
        confidence=0.9,
        method="m",
        measured_missed=0.0,
        positives=9,
        dataset_sha256="0" * 64,
        artifact=artifact,
        records=("r",),
    )
    rule = Escalation(score="y", low=0.5, expected_rate=0.1, bound=bound)
    first = replace(manifest.tiers[0], name="watch", escalation=rule)
    (folder / "artifacts" / "last.onnx").write_bytes(one_node())
    last = replace(manifest.tiers[0], variants=(variant("last", one_node()),))
    (folder / "manifest.toml").write_text(manifests.dumps(replace(manifest, tiers=(first, last))))


def test_what_cannot_be_cut_stays_as_it_was_and_is_told(tmp_path: Path) -> None:
    before = write(tmp_path / "net", {"plain": net(), "tiny": one_node()})

    outcome = split(tmp_path / "net")

    assert [*outcome.whole] == ["hub/tiny"]
    assert outcome.manifest.tiers[0].variants[1] == before.tiers[0].variants[1]


@pytest.mark.parametrize(("name", "form", "why"), [("lite", "tflite", "Only ONNX"), ("tiny", "onnx", "no place")])
def test_a_bundle_of_which_nothing_can_be_cut_is_not_touched(tmp_path: Path, name: str, form: str, why: str) -> None:
    write(tmp_path / "net", {name: one_node()}, [variant(name, one_node(), format=form)])
    text = (tmp_path / "net" / "manifest.toml").read_text()

    with pytest.raises(NotCuttable, match=why):
        split(tmp_path / "net")

    assert (tmp_path / "net" / "manifest.toml").read_text() == text
    assert (tmp_path / "net" / "artifacts" / f"{name}.{form}").read_bytes() == one_node()


def test_a_damaged_file_is_not_cut(tmp_path: Path) -> None:
    manifest = write(tmp_path / "net", {"plain": net()})
    (tmp_path / "net" / only(manifest).file).write_bytes(net()[:-1])

    with pytest.raises(NotCuttable, match="bytes, not"):
        split(tmp_path / "net")


@pytest.mark.parametrize("wanted", ["hub", "hub/one", "one"])
def test_a_variant_is_chosen_by_tier_by_name_or_by_both(tmp_path: Path, wanted: str) -> None:
    write(tmp_path / "net", {"one": net(), "other": net(name="other")})

    outcome = split(tmp_path / "net", variant=wanted)

    assert [each.variant.name for each in outcome.divided] == (["one", "other"] if wanted == "hub" else ["one"])


def test_a_variant_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    write(tmp_path / "net", {"one": net()})

    with pytest.raises(ModelUnknown, match="no variant 'two'") as caught:
        split(tmp_path / "net", variant="two")
    assert "hub/one" in caught.value.hint


def test_a_graph_may_call_its_tensors_otherwise(tmp_path: Path) -> None:
    content = net("graph_x", "graph_y")
    write(tmp_path / "net", {"one": content}, [variant("one", content, names={"x": "graph_x", "y": "graph_y"})])

    outcome = split(tmp_path / "net")

    assert outcome.divided[0].parts.from_original.none
    assert only(outcome.manifest).names == {"x": "graph_x", "y": "graph_y"}


def test_samples_tell_what_codecs_do_to_inputs_and_to_what_crosses(tmp_path: Path) -> None:
    write(tmp_path / "net", {"one": net()})
    np.savez(tmp_path / "usual.npz", x=np.random.default_rng(0).standard_normal((12, WIDTH)).astype(np.float32))

    outcome = split(tmp_path / "net", samples=tmp_path / "usual.npz")

    found = {each.codec: each for each in outcome.manifest.inputs[0].encodings}
    assert found["fp16"].error <= 1e-2
    assert found["fp16"].agreement >= 0.995
    assert found["fp16"].samples == "12 items of usual.npz"
    assert only(outcome.manifest).split.samples == "12 items of usual.npz"
    assert "fp16" in {each.codec for cut in only(outcome.manifest).split.cuts for each in cut.encodings}


@pytest.mark.parametrize("bounds", [Bounds(most_error=0.0), Bounds(most_error=1.0, least_agreement=1.0)])
def test_a_codec_that_breaks_the_bounds_asked_for_is_left_out(tmp_path: Path, bounds: Bounds) -> None:
    write(tmp_path / "net", {"one": net()})
    np.savez(tmp_path / "usual.npz", x=np.random.default_rng(0).standard_normal((12, WIDTH)).astype(np.float32))

    outcome = split(tmp_path / "net", samples=tmp_path / "usual.npz", bounds=bounds)

    cuts = only(outcome.manifest).split.cuts
    found = [*outcome.manifest.inputs[0].encodings, *(each for cut in cuts for each in cut.encodings)]
    assert all(each.error <= bounds.most_error and each.agreement >= bounds.least_agreement for each in found)
    assert bool(found) is (bounds.most_error > 0.0)


def test_without_samples_nothing_is_said_of_codecs(tmp_path: Path) -> None:
    before = write(tmp_path / "net", {"one": net()})

    outcome = split(tmp_path / "net")

    assert outcome.manifest.inputs == before.inputs
    assert [cut.encodings for cut in only(outcome.manifest).split.cuts if cut.encodings] == []


@pytest.mark.parametrize(
    "bad", [{"z": np.zeros((3, WIDTH), np.float32), "w": np.zeros(3)}, {"x": np.full((3, WIDTH), np.nan, np.float32)}]
)
def test_samples_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path: Path, bad: Any) -> None:
    write(tmp_path / "net", {"one": net()})
    np.savez(tmp_path / "bad.npz", **bad)

    with pytest.raises(SamplesRefused):
        split(tmp_path / "net", samples=tmp_path / "bad.npz")
    assert only(manifests.load(tmp_path / "net" / "manifest.toml")).split is None


def test_where_the_input_must_stay_only_deep_places_are_offered(tmp_path: Path) -> None:
    write(tmp_path / "net", {"one": net()}, privacy="device", private_depth=2)

    assert min(cut.depth for cut in only(split(tmp_path / "net").manifest).split.cuts) >= 2


def test_stages_of_a_split_are_those_of_its_file(tmp_path: Path) -> None:
    write(tmp_path / "net", {"one": net()})

    found = only(split(tmp_path / "net").manifest)

    content = (tmp_path / "net" / found.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == found.artifact
    assert found.artifact.startswith(Path(found.file).stem.removeprefix("one-"))


def test_every_stage_is_admitted_as_a_model_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "net", {"one": net()})
    manifest = split(tmp_path / "net", most=2).manifest
    (tier,), found = manifest.tiers, only(manifest)

    for number in range(len(found.split.stages)):
        section = section_of(manifest, tier, found, number, number + 1)
        content = stage_bytes((tmp_path / "net" / found.file).read_bytes(), section.first_node, section.last_node)
        assert hashlib.sha256(content).hexdigest() == section.sha256
        session = open_session(content)
        inputs, outputs = (frozenset(t.name for t in tensors) for tensors in (session.inputs, session.outputs))
        alone = stage_model(manifest, tier, found, section, inputs=inputs, outputs=outputs)
        assert admit(content, *alone, LIMITS).load_s > 0


def test_outputs_of_the_graph_that_the_manifest_does_not_have_never_cross(tmp_path: Path) -> None:
    nodes = [node("Neg", "x", "side"), *layers("x", "y")]
    made = model(nodes, inputs={"x": ("batch", WIDTH)}, outputs={"y": ("batch", WIDTH), "side": ("batch", WIDTH)})
    write(tmp_path / "net", {"one": bytes(made.SerializeToString())}, outputs=(OUTPUT,))

    cuts = only(split(tmp_path / "net").manifest).split.cuts

    assert all(len(cut.tensors) == 1 for cut in cuts)


def test_a_codec_that_loses_something_is_never_let_through_as_changing_nothing() -> None:
    half = Encoding(codec="fp16", ratio=0.5, error=0.0, agreement=1.0)
    grid = Encoding(codec="uint8", ratio=0.25, scale=(0.1,))
    assert [Bounds().allow(each) for each in (half, grid)] == [True, True]
    assert [Bounds(most_error=0.0, least_agreement=1.0).allow(each) for each in (half, grid)] == [False, True]


def test_an_input_that_is_the_same_in_every_sample_proves_nothing_and_gets_no_codecs(tmp_path: Path) -> None:
    made = model(
        [*layers("x", "a"), node("Add", "a s", "b"), *layers("b", "y", name="r")],
        inputs={"x": ("batch", WIDTH), "s": ("batch", WIDTH)},
        outputs={"y": ("batch", WIDTH)},
    )
    state = Tensor(name="s", dtype="float32", shape=("batch", WIDTH))
    write(tmp_path / "net", {"one": bytes(made.SerializeToString())}, inputs=(INPUT, state))
    usual = np.random.default_rng(0).standard_normal((12, WIDTH)).astype(np.float32)
    np.savez(tmp_path / "usual.npz", x=usual, s=np.zeros_like(usual))

    outcome = split(tmp_path / "net", samples=tmp_path / "usual.npz")

    assert outcome.unvarying == ("s",)
    found = {tensor.name: bool(tensor.encodings) for tensor in outcome.manifest.inputs}
    assert found == {"x": True, "s": False}
    crossing = {bool(cut.encodings): {t.name for t in cut.tensors} for cut in only(outcome.manifest).split.cuts}
    assert "s" not in crossing.get(True, set())


def test_one_sample_proves_something_unless_it_holds_one_number_only() -> None:
    ramp, flat = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
    assert unvarying([{"ramp": ramp, "flat": flat}]) == ("flat",)
    assert unvarying([{"ramp": ramp, "flat": flat}, {"ramp": ramp, "flat": ramp}]) == ("ramp",)
