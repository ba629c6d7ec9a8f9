"""Some consecutive stages of a variant that can be cut: what crosses before and behind them, by whose names."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from model_registry.manifest import Manifest
from model_registry.measured import Sha256
from model_registry.split import Cut, Split
from model_registry.tensor import Tensor
from model_registry.tier import Tier, Variant


class Section(Struct, frozen=True, kw_only=True):
    """Stages [first, last): takes and gives a set of named tensors, some of which it may only hand through."""

    first: int
    last: int
    first_node: int
    last_node: int | None
    """None: to the last node of the graph."""
    takes: tuple[Tensor, ...]
    """What crosses before it, by the graph's own names; before the first stage the inputs, by the manifest's."""
    gives: tuple[Tensor, ...]
    """What crosses behind it, by the graph's own names; behind the last stage the outputs, by the manifest's."""
    taken_as: dict[str, str]
    """What the graph calls each tensor that it takes."""
    given_as: dict[str, str]
    """What the graph calls each tensor that it gives."""
    sha256: Sha256 | None
    """Of a single stage's bytes; several stages in one have none."""


def section_of(manifest: Manifest, tier: Tier, variant: Variant, first: int, last: int) -> Section:
    """Return stages [first, last) of a variant that has a split with so many stages."""
    split = variant.split
    assert split is not None, "only what can be cut has stages"
    assert 0 <= first < last <= len(split.stages), "stages are numbered from 0"
    before, behind = _cut(split, first), _cut(split, last)
    takes = before.tensors if before else manifest.inputs
    gives = behind.tensors if behind else tier.outputs
    return Section(
        first=first,
        last=last,
        first_node=before.nodes if before else 0,
        last_node=behind.nodes if behind else None,
        takes=takes,
        gives=gives,
        taken_as=_graph_names(takes, {} if before else variant.names),
        given_as=_graph_names(gives, {} if behind else variant.names),
        sha256=split.stages[first] if last == first + 1 else None,
    )


def stage_model(
    manifest: Manifest,
    tier: Tier,
    variant: Variant,
    section: Section,
    *,
    inputs: frozenset[str],
    outputs: frozenset[str],
) -> tuple[Manifest, Tier, Variant]:
    """Describe a single stage as a model of its own, so that it can be admitted like any.

    `inputs` and `outputs` are what its graph takes and gives itself.
    """
    takes = _renamed(section.takes, section.taken_as)
    gives = _renamed(section.gives, section.given_as)
    assert section.sha256 is not None, "several stages in one are not admitted"
    alone = replace(
        variant, name=f"stage-{section.first}", artifact=section.sha256, names={}, split=None, pieces=None, costs=()
    )
    given = tuple(t for t in gives if t.name in outputs)
    stage = replace(tier, outputs=given, variants=(alone,), escalation=None, alarm=None)
    return replace(manifest, inputs=tuple(t for t in takes if t.name in inputs), tiers=(stage,)), stage, alone


def _cut(split: Split, stage: int) -> Cut | None:
    """Return the cut before a stage; none before the first and behind the last."""
    return split.cuts[stage - 1] if 0 < stage <= len(split.cuts) else None


def _graph_names(tensors: tuple[Tensor, ...], names: Mapping[str, str]) -> dict[str, str]:
    return {tensor.name: names.get(tensor.name, tensor.name) for tensor in tensors}


def _renamed(tensors: tuple[Tensor, ...], names: Mapping[str, str]) -> tuple[Tensor, ...]:
    return tuple(replace(tensor, name=names[tensor.name]) for tensor in tensors)
