"""From one artifact to the file that is cut, and what a manifest says of its places."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import onnx
from msgspec.structs import replace

from model_registry.convert import macs as counting
from model_registry.convert.progress import Progress
from model_registry.errors import RunFailed
from model_registry.partition.depth import depths, fewest
from model_registry.partition.difference import Difference
from model_registry.partition.errors import NotCuttable
from model_registry.partition.graph import graph_of
from model_registry.partition.loaded import Level
from model_registry.partition.preparation import prepared
from model_registry.partition.proof import Timed, against
from model_registry.partition.search import Proven, Search
from model_registry.partition.trace import traced
from model_registry.partition.trials import Trials
from model_registry.partition.work import node_work
from model_registry.runtime.stage_file import stage_bytes
from model_registry.split import Cut, Split
from model_registry.tensor import Axis, Tensor

DEFAULT_CUTS = 5
_LEVELS: tuple[Level, ...] = ("extended", "basic", "none")
"""Best first. Eight-bit graphs may answer otherwise when they are fused."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A model to cut; its tensors as the graph names them."""

    content: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    axes: Mapping[str, Axis]
    trials: Trials
    macs: int
    """Of the whole, as the manifest has it."""
    most: int = DEFAULT_CUTS
    least_depth: int = 0
    quantised: bool = False
    seconds_each: float = 0.5
    """Spent on each measurement of time."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A file that can be cut, its places, and what cutting costs."""

    content: bytes
    split: Split
    timed: tuple[Timed, ...]
    """At each place."""
    from_original: Difference
    """How far the file, whole, answers otherwise than the one it was made of."""
    proven: Proven


def cut(order: Order, progress: Progress) -> Parts:
    """Prepare a model once, find its places, and prove each of them.

    Raises:
        NotCuttable: it has none.
        ModelUnreadable: onnxruntime does not load it.

    """
    progress.begin("fusing the graph before it is cut", 1)
    model, changed = _prepared(order)
    graph = graph_of(model)
    _check(model)
    progress.begin("watching it run node by node", 1)
    trace = traced(model, graph, order.axes, order.trials.drawn)
    work_ns = node_work(model, graph, order.trials.usual(), seconds=order.seconds_each)
    search = Search(
        model=model,
        graph=graph,
        trace=trace,
        work_ns=work_ns,
        trials=order.trials,
        outputs=order.outputs,
        most=order.most,
        least_depth=order.least_depth,
        quantised=order.quantised,
    )
    proven = search.run(progress)
    progress.begin("timing head and tail beside the whole", len(proven.heads))
    timed = []
    for place in proven.arrangement.places:
        timed.append(proven.proof.timed(place, seconds=order.seconds_each))
        progress.advance()
    content = proven.arrangement.content
    return Parts(
        content=content,
        split=_split(order, search, proven, timed),
        timed=tuple(timed),
        from_original=changed,
        proven=proven,
    )


def _prepared(order: Order) -> tuple[onnx.ModelProto, Difference]:
    """Return the graph fused as far as that does not change its answers, and how far it does.

    Raises:
        NotCuttable: it does not answer the same twice, or not at all.

    """
    changed = Difference(float("inf"), 0.0)
    for level in _LEVELS:
        model = prepared(order.content, order.inputs, order.outputs, order.axes, level=level)
        try:
            changed = against(model.SerializeToString(), order.content, order.trials, order.outputs)
        except RunFailed as error:
            hint = "If it takes only certain values, give examples of its inputs with --samples FILE.npz."
            raise NotCuttable(f"It does not run on what it was tried on. {error.message}", hint=hint) from error
        if changed.is_bearable(quantised=order.quantised):
            return model, changed
    raise NotCuttable(
        f"Written anew, it answers otherwise, by {changed.error:.1e} of the largest output.",
        hint="Does it draw lots? What answers otherwise each time cannot be proven.",
    )


def _check(model: onnx.ModelProto) -> None:
    """Refuse a model of which no stage could give an output."""
    made = {name for node in model.graph.node for name in node.output} | {value.name for value in model.graph.input}
    if constant := [value.name for value in model.graph.output if value.name not in made]:
        raise NotCuttable(f"Its output '{constant[0]}' is a constant.", hint="It needs no mesh to compute that.")


def _split(order: Order, search: Search, proven: Proven, timed: list[Timed]) -> Split:
    depth = depths(search.model, search.graph)
    shares = accumulate((each.head_ms / (each.head_ms + each.tail_ms) for each in timed), max)
    extents = {name: axis.min for name, axis in order.axes.items()}
    rows = zip(
        proven.arrangement.places,
        proven.arrangement.crossing,
        proven.differences,
        shares,
        _macs(order, proven),
        strict=True,
    )
    cuts = tuple(
        _with_loss(
            Cut(
                nodes=place,
                tensors=tensors,
                item_bytes=_item_bytes(tensors, extents),
                work=round(share, 4),
                macs=macs,
                depth=fewest((tensor.name for tensor in tensors), depth),
            ),
            found,
        )
        for place, tensors, found, share, macs in rows
    )
    stages = tuple(hashlib.sha256(stage).hexdigest() for stage in proven.proof.stage_files())
    return Split(cuts=cuts, stages=stages, samples=order.trials.described)


def _with_loss(cut: Cut, found: Difference) -> Cut:
    """Return a place with what cutting changes; of nothing nothing is said."""
    if found.none:
        return cut
    return replace(cut, error=float(f"{found.error:.3g}"), agreement=round(found.agreement, 6))


def _item_bytes(tensors: tuple[Tensor, ...], extents: Mapping[str, int]) -> int:
    items = extents.get("batch", 1)
    return -(-sum(tensor.bytes_of(extents) for tensor in tensors) // items)


def _macs(order: Order, proven: Proven) -> list[int]:
    """Return the share of the manifest's figure that lies before each place."""
    usual = order.trials.usual()
    extents = {
        axis: length
        for tensor in order.inputs
        for axis, length in zip(tensor.shape, usual[tensor.name].shape, strict=True)
        if isinstance(axis, str)
    }
    content = proven.arrangement.content

    def counted(part: bytes) -> int:
        return counting.macs(onnx.load_model_from_string(part), extents, usual)

    whole = max(counted(content), 1)
    heads = [counted(stage_bytes(content, 0, place)) for place in proven.arrangement.places]
    return [round(order.macs * min(head / whole, 1)) for head in heads]
