"""Which nodes belong together because they read and renew a recurrent state that comes in and goes out."""

from __future__ import annotations

from collections.abc import Mapping

from model_registry.partition.graph import Graph
from model_registry.tensor import Tensor


def together(graph: Graph, tensors: Mapping[str, Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return for each state the nodes that read it and the one that gives its next value.

    A state is an input that an output has the form and the name of: `h` and `hn`, `past_k` and `present_k`.
    """
    pairs = ((given, renewed) for given in graph.inputs for renewed in graph.outputs)
    groups = (
        (*graph.readers[given], graph.maker[renewed])
        for given, renewed in pairs
        if renewed in graph.maker and graph.readers[given] and _is_state(given, renewed, tensors)
    )
    return tuple(tuple(sorted({*group})) for group in groups)


def _is_state(given: str, renewed: str, tensors: Mapping[str, Tensor]) -> bool:
    one, other = tensors.get(given), tensors.get(renewed)
    same_form = one is not None and other is not None and (one.dtype, one.shape) == (other.dtype, other.shape)
    return same_form and (renewed.replace("present", "past") == given or _plain(renewed).startswith(_plain(given)))


def _plain(name: str) -> str:
    """Return a name without what tells before from after: `h_0`, `h_in` and `h` are one."""
    lowered = name.lower()
    for word in ("_in", "_out", "_next", "_new", ".1"):
        lowered = lowered.removesuffix(word)
    return lowered.rstrip("0123456789_")
