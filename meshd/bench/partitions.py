"""What several nodes gain for one model: plans over slow links, a pipelined stream, and what cutting itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from meshd.bench.cut_cost import CutCost
from meshd.bench.pipeline import Pipeline, measure_pipeline
from meshd.bench.plans import RATES_BPS, PlanChoice, measure_plans
from meshd.cli.output import progress
from meshd.errors import SetupError
from model_registry.convert.benchmarks.seeds import EVEN, SEEDS, Seed, lay
from model_registry.convert.progress import Unwatched
from model_registry.partition.bundle_splitting import Outcome


class Partitions(Struct, frozen=True, kw_only=True):
    """All of it."""

    cuts: tuple[CutCost, ...]
    plans: tuple[PlanChoice, ...]
    pipeline: Pipeline


class PartitionsEffort(Struct, frozen=True, kw_only=True):
    """How long to measure."""

    models: tuple[str, ...] = ()
    """All where none is named."""
    rates_bps: tuple[float, ...] = RATES_BPS
    runs: int = 50
    """Of each plan."""
    stream_s: float = 10.0
    """Of each way."""

    @classmethod
    def quick(cls) -> PartitionsEffort:
        """Return an effort that shows that everything works, and no figure to rely on."""
        return cls(models=("ecg-anomaly",), rates_bps=(50e6,), runs=1, stream_s=0.5)


async def measure_partitions(effort: PartitionsEffort, *, files: Path | None) -> Partitions:
    """Cut the models that are at hand, some of them from a folder of files, and compare.

    Raises:
        SetupError: the daemons did not come together.
    """
    with TemporaryDirectory(prefix="meshd-bench-") as name:
        folder = Path(name)
        laid = lay_seeds(effort.models, folder / "bundles", files)
        inputs = {seed.name: seed.samples()[0] for seed in laid}
        state, bundles = folder / "state", folder / "bundles"
        plans = await measure_plans(inputs, bundles, state, runs=effort.runs, rates_bps=effort.rates_bps)
        pipeline = await _stream(folder, seconds=effort.stream_s)
        return Partitions(cuts=tuple(_costs(laid)), plans=plans, pipeline=pipeline)


async def _stream(folder: Path, *, seconds: float) -> Pipeline:
    bundles = folder / "streamed"
    lay(EVEN, bundles, None, Unwatched())
    return await measure_pipeline(EVEN.name, EVEN.samples()[0], bundles, folder / "streaming", seconds=seconds)


def lay_seeds(models: Sequence[str], folder: Path, files: Path | None) -> dict[Seed, Outcome]:
    """Lay and cut those of these models, of all if none is named, whose files are at hand.

    Raises:
        SetupError: none of them is.
    """
    seeds = [seed for seed in SEEDS if not models or seed.name in models]
    found = {}
    folder.mkdir()
    for seed in seeds:
        progress(f"cutting {seed.name} ...")
        outcome = lay(seed, folder, files, Unwatched())
        if outcome is None:
            progress(f"{seed.name} is left out: {seed.needs}")
        else:
            found[seed] = outcome
    if not found:
        raise SetupError("no model to compare plans with is at hand.", hint="; ".join(seed.needs for seed in seeds))
    return found


def _costs(laid: dict[Seed, Outcome]) -> list[CutCost]:
    return [
        CutCost(model=seed.name, work=cut.work, whole_ms=round(timed.whole_ms, 3), ratio=round(timed.ratio, 3))
        for seed, outcome in laid.items()
        for divided in outcome.divided
        for cut, timed in zip(divided.parts.split.cuts, divided.parts.timed, strict=True)
    ]
