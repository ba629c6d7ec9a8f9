"""Three machines with slow links and a weak watch: where MobileNetV2 runs depends on the link, its answer does not.

Each device is a daemon in a network namespace of its own, behind a token bucket; a control group makes the watch weak.
Where there are none the watch is as strong as the others, and nothing is gained by sending anything away.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd.bench.plans import Comparison
from meshd.bench.slow_household import slow_household
from meshd.client import AsyncClient, Result
from meshd.core.node import DeviceClass
from meshd.demo import cpu_limit
from meshd.demo.device import Device
from meshd.demo.household import Household
from meshd.errors import RequestError
from meshd.explain_document import ExplainDocument, ExplainedCandidate, ExplainedDecision
from model_registry import manifest as manifests
from model_registry.convert.progress import Unwatched
from tests.net.namespaces import needs_slow_links

seeds = pytest.importorskip("model_registry.convert.benchmarks.seeds", reason="the extra convert is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]

FILES = Path(__file__).parents[3] / "shared" / "data" / "models"
MODEL = "mobilenet-v2"
SLOW_BPS, FAST_BPS = 2e6, 200e6
WEAK = {DeviceClass.WATCH: 0.1}
POLL_S = 0.02
ROUNDS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the cut model, and room for what the daemons keep from one test to the next."""
    needs_slow_links()
    seed = next(seed for seed in seeds.SEEDS if seed.name == MODEL)
    folder = tmp_path_factory.mktemp("partitions")
    (folder / "bundles").mkdir()
    if seeds.lay(seed, folder / "bundles", FILES, Unwatched()) is None:
        pytest.skip(f"mobilenet_v2_quant.onnx is not in {FILES}")
    return folder


@pytest.fixture(scope="module")
def picture() -> dict[str, NDArray[Any]]:
    """Return a photograph as the network takes it."""
    inputs: dict[str, NDArray[Any]] = next(seed for seed in seeds.SEEDS if seed.name == MODEL).samples()[0]
    return inputs


@asynccontextmanager
async def mesh(folder: Path, rate_bps: float) -> AsyncIterator[tuple[Household, AsyncClient]]:
    """Give a household behind links of that rate, and the client of its watch."""
    around = slow_household(
        rate_bps=rate_bps, folder=folder / "state", models=folder / "bundles", names=(MODEL,), cores=WEAK
    )
    async with around as slow:
        assert slow.around.links == "namespaces"
        yield slow.household, slow.watch


async def test_a_slow_and_a_fast_link_lead_to_different_plans_and_all_plans_to_the_same_bits(
    folder: Path, picture: dict[str, NDArray[Any]]
) -> None:
    chosen: dict[float, str] = {}
    for rate_bps, wanted in ((SLOW_BPS, stays), (FAST_BPS, leaves)):
        async with mesh(folder, rate_bps) as (household, watch):
            comparison = Comparison(watch, MODEL, picture)
            ask = partial(infer_by_command, household, folder, picture)
            decision = await decision_once(wanted, watch, comparison, ask)
            assert_it_says_why(decision)
            chosen[rate_bps] = chosen_place(decision)
            whole = (await watch.infer(MODEL, picture, plan="watch")).outputs
            for way in await comparison.ways():
                answered = await watch.infer(MODEL, picture, plan=way.place)
                assert_ran_as_told(await watch.explain(answered.request_id), way.place)
                if way.codec == "raw":
                    assert same_bits(answered.outputs, whole), way.place
                else:
                    assert answered.outputs["output"].argmax() == whole["output"].argmax(), way.place
    assert chosen[SLOW_BPS] == "watch"
    if cpu_limit.why_not() is None:
        assert chosen[FAST_BPS] != "watch"


async def test_a_device_that_dies_with_a_tail_costs_time_and_no_answer(
    folder: Path, picture: dict[str, NDArray[Any]]
) -> None:
    if reason := cpu_limit.why_not():
        pytest.skip(f"a watch as strong as the others has no reason to split: {reason}")
    lay_private(folder)
    async with mesh(folder / "private", FAST_BPS) as (household, watch):
        whole = (await watch.infer(MODEL, picture, plan="watch")).outputs
        tail, asked = await left_with_a_tail(household, watch, picture)
        os.kill(tail.pid, signal.SIGKILL)
        answered = await asked
        assert same_bits(answered.outputs, whole)
        assert tail.name not in [hop.node for hop in answered.route]


def lay_private(folder: Path) -> None:
    """Write the bundle once more, its input private and its activations not: a split is the only help there is."""
    private = folder / "private" / "bundles"
    shutil.copytree(folder / "bundles", private)
    file = private / MODEL / "manifest.toml"
    file.write_text(manifests.dumps(replace(manifests.load(file), privacy="device", private_depth=1)))


async def decision_once(
    wanted: Callable[[ExplainedDecision], bool],
    watch: AsyncClient,
    comparison: Comparison,
    ask: Callable[[], Awaitable[object]],
) -> ExplainedDecision:
    """Measure every way and ask, until what is decided is as wanted; what is returned in the end may not be.

    A machine with other work may have been slow in the very moments that a stage was timed in.
    """
    rounds = iter(range(ROUNDS))
    while True:
        await comparison.warm_up()
        await ask()
        (decision,) = (await watch.explain()).decisions
        if wanted(decision) or next(rounds, None) is None:
            return decision


def is_split(decision: ExplainedDecision) -> bool:
    return bool(chosen_way(decision).legs)


def stays(decision: ExplainedDecision) -> bool:
    return chosen_place(decision) == "watch"


def leaves(decision: ExplainedDecision) -> bool:
    return not stays(decision)


async def left_with_a_tail(
    household: Household, watch: AsyncClient, picture: dict[str, NDArray[Any]]
) -> tuple[Device, asyncio.Task[Result]]:
    """Return a device that stands still with the tail of a request, and the request.

    What is decided twice in a row need not be the same on a busy machine: then it is tried again.
    """
    ask = partial(watch.infer, MODEL, picture)
    for number in range(ROUNDS):
        decision = await decision_once(is_split, watch, Comparison(watch, MODEL, picture), ask)
        assert is_split(decision), f"a watch with a tenth of a core splits nothing: {decision}"
        tail = household.devices[DeviceClass(chosen_way(decision).legs[-1].node)]
        os.kill(tail.pid, signal.SIGSTOP)
        request_id = f"left-alone-{number}"
        asked = asyncio.create_task(watch.infer(MODEL, picture, request_id=request_id))
        if await is_out_at(tail.name, watch, request_id):
            return tail, asked
        os.kill(tail.pid, signal.SIGCONT)
        await asked
    raise AssertionError("a tail was chosen again and again, and never when a request was to be left with it")


async def is_out_at(peer: str, watch: AsyncClient, request_id: str) -> bool:
    """Wait until the watch has decided and computes nothing, or has answered; tell whether a peer has a tail."""
    async with asyncio.timeout(30.0):
        while (story := await _settled(watch, request_id)) is None:  # noqa: ASYNC110  Another process; it can only be asked.
            await asyncio.sleep(POLL_S)
    way = chosen_way(story.decisions[-1])
    return story.outcome == "alive" and bool(way.legs) and way.legs[-1].node == peer


async def _settled(watch: AsyncClient, request_id: str) -> ExplainDocument | None:
    """Return the story of a request that has ended, or for which the watch has nothing to do."""
    try:
        story = await watch.explain(request_id)
    except RequestError:  # It has not come so far.
        return None
    queue = (await watch.status()).queue
    waits = bool(story.decisions) and queue.running == queue.queued == 0
    return story if waits or story.outcome != "alive" else None


async def infer_by_command(household: Household, folder: Path, picture: dict[str, NDArray[Any]]) -> None:
    """Run ``meshd infer`` as a person would."""
    words = [f"--endpoint=unix:{household.devices[DeviceClass.WATCH].socket}"]
    for name, array in picture.items():
        np.save(folder / f"{name}.npy", array)
        words.append(f"--input={name}={folder / name}.npy")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from meshd.cli import main; main()", "infer", MODEL, *words),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


def assert_it_says_why(decision: ExplainedDecision) -> None:
    """Hold that every other way is forbidden, with a reason, or costs at least as much."""
    chosen = chosen_way(decision)
    assert chosen.cost is not None
    for way in decision.candidates:
        assert (way.reason and not way.allowed) or (way.cost is not None and way.cost >= chosen.cost), way


def assert_ran_as_told(story: ExplainDocument, place: str) -> None:
    """Hold that the nodes of a plan ran the stages that it gives them."""
    ran = ", ".join(f"{hop.node} {hop.stages[0]}-{hop.stages[1]}" if hop.stages else hop.node for hop in story.route)
    assert ran == place


def chosen_way(decision: ExplainedDecision) -> ExplainedCandidate:
    assert decision.chosen is not None
    return decision.candidates[decision.chosen]


def chosen_place(decision: ExplainedDecision) -> str:
    return chosen_way(decision).plan.partition(" tier on ")[2]


def same_bits(one: dict[str, NDArray[Any]], two: dict[str, NDArray[Any]]) -> bool:
    return one.keys() == two.keys() and all(one[name].tobytes() == two[name].tobytes() for name in one)
