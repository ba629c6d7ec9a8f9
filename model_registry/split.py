"""Where a variant may be cut in two or more: the form; `model_registry.partition` finds the places.

The graph of a variant that can be cut has its nodes in such an order that every stage is a run of consecutive nodes, so
that a place is a number of nodes, and a stage can be taken out of the file without understanding it.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from model_registry.encoding import Encoding
from model_registry.flaw import Flaw, repeated
from model_registry.measured import Count, Label, Positive, Sha256
from model_registry.tensor import Axis, Tensor

MOST_CUTS = 15
MOST_TENSORS = 64
Share = Annotated[float, Meta(ge=0, le=1)]


class Cut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One place: the nodes before it are the head, those behind it the tail."""

    nodes: Positive
    """How many nodes of the graph lie before it."""
    tensors: Annotated[tuple[Tensor, ...], Meta(min_length=1, max_length=MOST_TENSORS)]
    """What crosses, by the graph's own names: made before it, or an input of the model, and needed behind it or an
    output of the model."""
    item_bytes: Positive
    """Bytes of it for one item of the batch, at the smallest input."""
    work: Share
    """Share of the whole's time that the head takes, as measured where it was cut."""
    macs: Count
    """Multiply-accumulates of the head for one item."""
    depth: Count
    """Fewest layers with weights on any way from an input to what crosses; 0 where an input itself crosses."""
    error: Annotated[float, Meta(ge=0)] = 0.0
    """Largest difference between whole and parts, as a share of the largest output; 0: the same bits."""
    agreement: Share = 1.0
    """Share of the samples on which whole and parts answer the same."""
    encodings: tuple[Encoding, ...] = ()
    """How what crosses may be encoded for a link, and what that costs."""

    def bytes_of(self, extents: Mapping[str, int]) -> int:
        """Return what crosses where the model's axes have these lengths."""
        return sum(tensor.bytes_of(extents) for tensor in self.tensors)


class Split(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All places of one variant, first to last, and the stages between them."""

    cuts: Annotated[tuple[Cut, ...], Meta(min_length=1, max_length=MOST_CUTS)]
    """First to last."""
    stages: Annotated[tuple[Sha256, ...], Meta(min_length=2, max_length=MOST_CUTS + 1)]
    """Hash of each stage as it is taken out of the file: two nodes that differ in it do not work together."""
    samples: Label = ""
    """What errors and agreement were measured on."""

    def flaws(self, axes: Mapping[str, Axis]) -> Iterator[Flaw]:
        """Yield what cannot be: places out of order, or another number of stages than they make."""
        if len(self.stages) != len(self.cuts) + 1:
            yield Flaw(("stages",), f"{len(self.cuts)} cuts make {len(self.cuts) + 1} stages.", "Split it again.")
        for index, (before, behind) in enumerate(pairwise(self.cuts), start=1):
            if behind.nodes <= before.nodes:
                yield Flaw(("cuts", index, "nodes"), "Cuts must be listed first to last.", "Split it again.")
        for index, cut in enumerate(self.cuts):
            yield from (
                f.below("cuts", index, "tensors") for f in repeated((t.name for t in cut.tensors), what="Tensor")
            )
            for at, tensor in enumerate(cut.tensors):
                yield from (flaw.below("cuts", index, "tensors", at) for flaw in tensor.flaws(axes))
            for at, encoding in enumerate(cut.encodings):
                yield from (flaw.below("cuts", index, "encodings", at) for flaw in encoding.flaws())
