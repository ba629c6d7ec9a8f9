"""Measure what record 0027 states: how well a sentence's time is foretold from the few lengths that are timed at start.

Run: `.venv/bin/python docs/decisions/measure/lengths.py`; it needs the package that brings MiniLM.
"""

import hashlib
import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from statistics import median

import numpy as np

from meshd.executor.hosted_model import HostedModel
from meshd.executor.length import Length
from meshd.executor.profile import measure_lengths
from model_registry.convert.benchmarks.seeds import SEEDS
from model_registry.manifest import Manifest
from model_registry.runtime.session import open_session
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, Variant

LONGEST = 512
TOKENS = (1, 4, 16, 32, 64, 128, 200, 256, 384, 512)
RUNS = 7


def minilm(content: bytes, inputs: dict[str, np.ndarray]) -> HostedModel:
    """Return the model with sentences of any length."""
    session = open_session(content)
    names = [output.name for output in session.outputs]
    outputs = dict(zip(names, session.run(names, inputs), strict=True))
    variant = Variant(
        name="int8",
        precision="int8",
        file="model.onnx",
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        macs=0,
    )
    manifest = Manifest(
        schema=1,
        name="minilm",
        version="1.0.0",
        summary="What is measured.",
        license="LicenseRef-unknown",
        task="unspecified",
        privacy="household",
        axes={"sequence": Axis(min=1, max=LONGEST)},
        inputs=tuple(free(name, array) for name, array in inputs.items()),
        tiers=(
            Tier(
                name="watch", outputs=tuple(free(name, array) for name, array in outputs.items()), variants=(variant,)
            ),
        ),
    )
    return HostedModel(manifest, manifest.tiers[0], variant)


def free(name: str, array: np.ndarray) -> Tensor:
    """Return a tensor whose second axis counts the tokens."""
    first, _, *rest = array.shape
    return Tensor(name=name, dtype=str(array.dtype), shape=(first, "sequence", *rest))


def main() -> None:
    """Time a few lengths, then foretell many."""
    seed = next(seed for seed in SEEDS if seed.name == "minilm")
    content = seed.content(None)
    assert content is not None, seed.needs
    hosted = minilm(content, seed.samples()[0])
    session = hosted.open(content, threads=1)

    def run(length: Length) -> float:
        inputs = {name: np.ones_like(array) for name, array in hosted.inputs.zeros(length.extents).items()}
        return hosted.compute(session, inputs)[1]

    profile = measure_lengths(run, hosted.lengths.to_time(), load_s=0.0)
    hosted.adopt(profile)
    print(f"{profile.compute_s * 1e3:.2f} ms; {profile.sizes} bytes: {[round(times, 1) for times in profile.growth]}")
    print("tokens     took  foretold          of one length")
    for n_tokens in TOKENS:
        extents = {"sequence": n_tokens}
        length = Length(extents=extents, item_bytes=hosted.lengths.item_bytes(extents))
        took_s = median(run(length) for _ in range(RUNS))
        foretold_s = hosted.compute_s * hosted.work_of(extents, 1)
        off = f"{foretold_s / took_s - 1.0:+.0%}"
        before = f"{took_s / profile.compute_s:.1f} times off"
        print(f"{n_tokens:6d} {took_s * 1e3:8.2f} {foretold_s * 1e3:9.2f} {off:>6} {before:>15}")


if __name__ == "__main__":
    main()
