"""The map of plans for each of the four models, as `docs/plans.md` shows it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from meshd.bench.partitions import lay_seeds
from meshd.bench.plans import Comparison
from meshd.bench.slow_household import slow_household
from meshd.cli.output import progress
from meshd.cli.view.plan_picture import save_picture
from meshd.cli.view.plan_scene import scene_of
from meshd.core.ids import ModelName
from meshd.core.plan_map import faster
from meshd.plan_document import PlanDocument, PlanQuestion

SLOWER = 10.0
"""How many times slower than this machine the watch is taken to be."""
_RATE_BPS = 50e6
_RTT_S = 0.002
"""Of a home's Wi-Fi when nothing else is on the air; what is measured here is how busy this machine is."""
_ROUNDS = 10


async def draw_maps(folder: Path, *, files: Path | None) -> None:
    """Learn what each model's stages take on this machine, and draw its map into a folder, for a slower watch.

    Raises:
        SetupError: the daemons did not come together, or matplotlib is missing.
    """
    with TemporaryDirectory(prefix="meshd-bench-") as name:
        bundles, state = Path(name) / "bundles", Path(name) / "state"
        inputs = {seed.name: seed.samples()[0] for seed in lay_seeds([], bundles, files)}
        around = slow_household(rate_bps=_RATE_BPS, folder=state, models=bundles, names=tuple(inputs), cores={})
        async with around as slow:
            for model, sample in inputs.items():
                await Comparison(slow.watch, model, sample).warm_up(rounds=_ROUNDS)
                document = _slower(await slow.watch.plan(PlanQuestion(model=ModelName(model))))
                scene, file = scene_of(document), folder / f"plan-{model}.svg"
                save_picture(scene.map, file, title=scene.title, subtitle=scene.subtitle, marks=scene.marks)
                progress(f"wrote {file}")


def _slower(document: PlanDocument) -> PlanDocument:
    here, *others = document.hosts
    links = tuple(replace(link, rtt_s=_RTT_S) for link in document.links)
    return replace(document, links=links, hosts=(replace(here, hosted=faster(here.hosted, 1.0 / SLOWER)), *others))
