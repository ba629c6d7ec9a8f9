import hashlib
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace

from model_registry.errors import ModelUnreadable
from model_registry.manifest import Manifest
from model_registry.runtime.renamed_session import open_variant
from model_registry.runtime.section_file import taken_out
from model_registry.runtime.session import GraphTensor, open_session
from model_registry.runtime.stage_session import StageSession
from model_registry.section import Section, section_of, stage_model
from tests.executor.cuttable import SAMPLES, cuttable_manifest, cuttable_model
from tests.registry.runtime.graphs import Environment

CONTENT = cuttable_model()
MANIFEST = cuttable_manifest(CONTENT)
ASKED: Environment = {
    "ecg": np.arange(2 * SAMPLES, dtype=np.int16).reshape(2, SAMPLES),
    "gain": np.array([1, 2], np.float32),
}


def section(first: int, last: int, manifest: Manifest = MANIFEST) -> Section:
    tier = manifest.tiers[0]
    return section_of(manifest, tier, tier.variants[0], first, last)


def open_section(content: bytes, section: Section) -> StageSession:
    return StageSession(open_session(taken_out(content, section).content), section)


def names(tensors: tuple[GraphTensor, ...]) -> list[str]:
    return [tensor.name for tensor in tensors]


@pytest.mark.parametrize("ends", [(0, 1, 2, 3), (0, 1, 3), (0, 2, 3), (0, 3)])
def test_sections_one_after_the_other_answer_as_the_whole_does(ends: tuple[int, ...]) -> None:
    whole = open_variant(CONTENT, MANIFEST.tiers[0].variants[0]).run(["score", "mean"], ASKED)
    crossing = ASKED
    for first, last in pairwise(ends):
        session = open_section(CONTENT, section(first, last))
        crossing = dict(zip(names(session.outputs), session.run(names(session.outputs), crossing), strict=True))
    assert {name: array.tolist() for name, array in crossing.items()} == {
        "score": whole[0].tolist(),
        "mean": whole[1].tolist(),
    }


def test_a_section_is_described_by_all_that_crosses_at_its_ends() -> None:
    session = open_section(CONTENT, section(1, 2))
    assert (names(session.inputs), names(session.outputs)) == (["x", "bias"], ["z", "bias", "mean"])
    first, last = open_section(CONTENT, section(0, 1)), open_section(CONTENT, section(2, 3))
    assert (names(first.inputs), names(last.outputs)) == (["ecg", "gain"], ["score", "mean"])


def test_what_crosses_goes_by_the_graphs_own_names_even_where_the_manifest_uses_one_for_something_else() -> None:
    [tier] = MANIFEST.tiers
    variant = replace(tier.variants[0], names={"x": "total"})
    assert section_of(MANIFEST, tier, variant, 1, 2).taken_as == {"x": "x", "bias": "bias"}
    assert section_of(MANIFEST, tier, variant, 0, 1).given_as == {"x": "x", "bias": "bias"}


def test_what_a_section_does_not_touch_is_handed_through_uncopied() -> None:
    session = open_section(CONTENT, section(0, 1))
    [bias] = session.run(["bias"], ASKED)
    assert bias is ASKED["gain"]


def test_a_stage_whose_hash_is_not_the_manifests_is_not_run() -> None:
    other = cuttable_manifest(CONTENT, stages=("0" * 64, "1" * 64, "2" * 64))
    with pytest.raises(ModelUnreadable, match="their bytes are not those that the manifest was made for"):
        open_section(CONTENT, section(0, 1, other))


def test_a_section_that_takes_what_does_not_cross_is_not_run() -> None:
    with pytest.raises(ModelUnreadable, match="they take 'x', which does not cross before them"):
        open_section(CONTENT, replace(section(1, 2), takes=section(1, 2).takes[1:], taken_as={"bias": "bias"}))


def test_a_section_that_does_not_give_what_crosses_is_not_run() -> None:
    with pytest.raises(ModelUnreadable, match="they do not give 'z', which crosses behind them"):
        open_section(CONTENT, replace(section(1, 2), last_node=3, sha256=None))


def test_what_is_handed_through_may_not_change_its_type() -> None:
    wide = tuple(
        replace(tensor, dtype="float64") if tensor.name == "bias" else tensor for tensor in section(1, 2).gives
    )
    with pytest.raises(ModelUnreadable, match="they hand 'bias' through, which is of another type behind them"):
        taken_out(CONTENT, replace(section(1, 2), gives=wide))


def test_a_stage_that_takes_nothing_is_refused_with_what_to_do() -> None:
    content = cuttable_model(constant=True)
    with pytest.raises(ModelUnreadable, match="Stages 0 to 1 cannot be run: they take nothing") as refused:
        taken_out(content, replace(section(0, 1), last_node=1, sha256=None))
    assert refused.value.hint == "Split the model again: `meshd models split`."


def test_a_stage_is_described_as_a_model_of_what_its_graph_takes_and_gives_itself() -> None:
    tier = MANIFEST.tiers[0]
    middle = section(1, 2)
    file = taken_out(CONTENT, middle)
    manifest, stage, variant = stage_model(
        MANIFEST, tier, tier.variants[0], middle, inputs=file.inputs, outputs=file.outputs
    )
    assert [tensor.name for tensor in manifest.inputs] == ["x"]
    assert {tensor.name for tensor in stage.outputs} == {"z", "mean"}
    assert (variant.artifact, variant.names, variant.split) == (hashlib.sha256(file.content).hexdigest(), {}, None)
    assert (stage.alarm, stage.escalation, manifest.tiers) == (None, None, (stage,))
