import asyncio
import threading
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.errors import Cancelled, ExecutionFailed, ModelUnusable
from meshd.executor.profile_cache import ProfileCache
from meshd.executor.stage import StageEnd, StageResult
from model_registry.errors import Refused
from tests.executor.artifacts import AdmitsAll, MemoryStore
from tests.executor.conftest import MAKE, items, run
from tests.executor.graphs import lookup_model, manifest_of, mean_model, square_root_model

RULE = {"low": 0.5, "high": 10.0}
MB = 1_000_000


def finished(end: StageEnd) -> StageResult:
    assert isinstance(end, StageResult)
    return end


# ------------------------------------------------------------------------------------------------------- hosting


def test_a_hosted_model_is_warm_and_told_to_the_mesh(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    assert executor.warm_artifacts() == (toy.artifact,)
    assert [tier.artifact for tier in executor.hosted_tiers()] == [toy.artifact]


def test_an_artifact_that_is_not_there_is_refused(host: MAKE) -> None:
    with pytest.raises(ModelUnusable, match="The store has no artifact"):
        host(mean_model(), store=MemoryStore())


def test_a_corrupt_artifact_is_refused_and_not_hosted(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, _ = host(store=store)
    store.rotten = True
    manifest = manifest_of(mean_model())
    with pytest.raises(ModelUnusable, match="is corrupt"):
        executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])
    assert executor.hosted_tiers() == ()


def test_a_graph_that_is_not_what_the_manifest_says_is_refused(host: MAKE) -> None:
    with pytest.raises(ModelUnusable, match="the graph wants an input 'ekg'; the graph has no input 'ecg'"):
        host(mean_model(input_name="ekg"))


def test_a_model_that_cannot_fit_into_the_budget_is_refused(host: MAKE) -> None:
    with pytest.raises(ModelUnusable, match=r"takes 50.0 MB and the budget for models is 40.0 MB"):
        host(mean_model(), size_bytes=50 * MB, memory_budget_bytes=40 * MB)


def test_a_model_that_was_refused_at_its_trial_is_not_hosted(host: MAKE) -> None:
    admission = AdmitsAll()
    executor, _ = host(store=MemoryStore(mean_model()), admission=admission)
    admission.refusal = Refused("memory", "It took 300 MB and the limit is 200 MB.", hint="Raise it.")
    manifest = manifest_of(mean_model())
    with pytest.raises(ModelUnusable) as refused:
        executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])
    assert (refused.value.message, refused.value.hint) == ("It took 300 MB and the limit is 200 MB.", "Raise it.")
    assert executor.hosted_tiers() == ()


def test_a_model_that_fails_while_it_is_measured_is_unusable(host: MAKE) -> None:
    executor, [toy] = host(lookup_model())
    toy.inputs.zeros = lambda extents: items(99)  # type: ignore[method-assign]
    with pytest.raises(ModelUnusable, match="toy/watch/toy-fp32 fails while it is measured: onnxruntime failed"):
        executor.profile(toy)


def test_a_profile_is_measured_once_and_remembered_over_a_restart(host: MAKE, tmp_path: Path) -> None:
    path = tmp_path / "profiles.json"
    executor, [toy] = host(mean_model(), profiles=ProfileCache(path))
    measured = executor.profile(toy)
    assert measured.compute_s > 0.0
    assert toy.compute_s == measured.compute_s
    again, [same] = host(mean_model(), profiles=ProfileCache(path))
    assert again.profile(same) == measured


# -------------------------------------------------------------------------------------------------------- running


async def test_two_tiers_that_share_an_artifact_each_read_its_answer_their_own_way(host: MAKE) -> None:
    executor, [watch, phone] = host(mean_model(), mean_model(), rule=RULE)
    ends = [finished(await run(executor, tier, items(4))) for tier in (watch, phone)]
    assert watch.artifact == phone.artifact
    assert [tier.tier for tier in executor.hosted_tiers()] == ["watch", "phone"]
    assert [end.score for end in ends] == [4.0, None]
    executor.let_go(phone)
    assert [tier.tier for tier in executor.hosted_tiers()] == ["watch"]
    assert finished(await run(executor, watch, items(4))).score == 4.0


async def test_a_short_stage_ends_before_submit_returns(host: MAKE) -> None:
    executor, [toy] = host(mean_model(), inline_below_s=10.0)
    executor.profile(toy)
    ends: list[StageEnd] = []
    executor.submit(toy.key, items(3), ends.append)
    assert [finished(end).outputs["score"].tolist() for end in ends] == [[3.0]]


async def test_a_long_stage_ends_later_in_the_thread_of_the_loop(host: MAKE) -> None:
    executor, [toy] = host(mean_model(), inline_below_s=0.0)
    ended = asyncio.get_running_loop().create_future()
    executor.submit(toy.key, items(3), lambda end: ended.set_result((end, threading.current_thread())))
    assert not ended.done()
    end, thread = await ended
    assert finished(end).outputs["score"].tolist() == [3.0]
    assert thread is threading.main_thread()


async def test_a_stage_of_many_items_is_long_even_if_one_item_is_short(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    toy.learn(0.0004, work=1, now_s=monotonic())
    single: list[StageEnd] = []
    several: list[StageEnd] = []
    executor.submit(toy.key, items(1), single.append)
    executor.submit(toy.key, items(1, 2, 3, 4), several.append)
    assert (len(single), len(several)) == (1, 0)
    executor.close()
    await asyncio.sleep(0)
    assert len(several) == 1


async def test_the_score_is_what_the_escalation_rule_reads(host: MAKE) -> None:
    executor, [watch, _] = host(mean_model(), square_root_model(), rule=RULE)
    assert finished(await run(executor, watch, items(0, 4, 100))).score == 4.0


async def test_a_model_that_answers_nan_is_malformed_and_has_no_score(host: MAKE) -> None:
    executor, [watch, _] = host(square_root_model(), mean_model(), rule=RULE)
    end = finished(await run(executor, watch, items(-4)))
    assert (end.malformed, end.score) == (True, None)
    assert end.flaw == "Output 'score' holds 1 NaN; every element must be finite."


@pytest.mark.parametrize("inline_below_s", [0.0, 10.0])
async def test_a_failing_run_is_an_end_and_the_next_one_succeeds(host: MAKE, inline_below_s: float) -> None:
    executor, [toy] = host(lookup_model(), inline_below_s=inline_below_s)
    executor.profile(toy)
    assert isinstance(await run(executor, toy, items(99)), ExecutionFailed)
    assert finished(await run(executor, toy, items(2))).outputs["score"].tolist() == [2.0]


async def test_an_artifact_that_is_not_hosted_is_an_end(host: MAKE) -> None:
    executor, _ = host(mean_model())
    ends: list[StageEnd] = []
    executor.submit((ModelName("toy"), DeviceClass.WATCH, ArtifactHash("e" * 64)), items(1), ends.append)
    assert [type(end) for end in ends] == [ExecutionFailed]


@pytest.mark.parametrize("inline_below_s", [0.0, 10.0])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "Input 'ecg' of model 'toy' is missing."),
        (items(1, 2, 3, 4, 5), "Input 'ecg' has 5 elements on axis 0 and must have 1 to 4 ('batch')."),
        ({"ecg": items(1)["ecg"].astype("float32")}, "Input 'ecg' is float32 and must be int16."),
    ],
)
async def test_inputs_outside_of_the_manifest_never_reach_the_runtime(
    host: MAKE, inputs: dict[str, Any], message: str, inline_below_s: float
) -> None:
    executor, [toy] = host(mean_model(), inline_below_s=inline_below_s)
    executor.profile(toy)
    toy.session = Untouchable()
    end = await run(executor, toy, inputs)
    assert isinstance(end, ExecutionFailed)
    assert end.message == message


class Untouchable:
    """A session that nobody may run."""

    inputs = outputs = ()

    def run(self, names: list[str], inputs: object) -> list[Any]:
        raise AssertionError(f"{names} were asked for")


async def test_timings_of_runs_replace_the_profile(host: MAKE) -> None:
    executor, [toy] = host(mean_model(), inline_below_s=10.0)
    toy.learn(5.0, work=1, now_s=monotonic())
    for _ in range(40):
        await run(executor, toy, items(1))
    [tier] = executor.hosted_tiers()
    assert tier.compute_s == toy.compute_s < 5.0


# ---------------------------------------------------------------------------------------------------- cancellation


async def test_a_stage_that_waits_can_be_called_off_and_its_end_is_still_told(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store)
    executor.cool(toy.artifact)
    store.gate.clear()
    running, waiting = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    first = executor.submit(toy.key, items(1), running.set_result)
    second = executor.submit(toy.key, items(2), waiting.set_result)
    assert second.cancel()
    assert isinstance(await waiting, Cancelled)
    store.gate.set()
    assert finished(await running).outputs["score"].tolist() == [1.0]
    assert not first.cancel()


async def test_closing_tells_every_end(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store, inline_below_s=0.0)
    ends: list[StageEnd] = []
    for value in range(3):
        executor.submit(toy.key, items(value), ends.append)
    executor.close()
    await asyncio.sleep(0)
    assert len(ends) == 3
    assert executor.warm_artifacts() == ()


# --------------------------------------------------------------------------------------------------- warm and cold


async def test_a_cold_model_is_loaded_by_the_stage_that_needs_it(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    executor.cool(toy.artifact)
    assert executor.warm_artifacts() == ()
    first = finished(await run(executor, toy, items(1)))
    second = finished(await run(executor, toy, items(1)))
    assert first.load_s > 0.0 == second.load_s
    assert executor.warm_artifacts() == (toy.artifact,)


async def test_a_cold_model_found_corrupt_is_an_end_and_not_a_crash(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store)
    executor.cool(toy.artifact)
    store.rotten = True
    end = await run(executor, toy, items(1))
    assert isinstance(end, ExecutionFailed)
    assert "is corrupt" in end.message


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (OSError(5, "Input/output error"), "cannot be read: [Errno 5] Input/output error."),
        (ZeroDivisionError("a bug"), "the executor failed: ZeroDivisionError('a bug')"),
    ],
)
async def test_whatever_a_worker_thread_meets_is_an_end(host: MAKE, fault: Exception, message: str) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store)
    executor.cool(toy.artifact)
    store.fault = fault
    end = await run(executor, toy, items(1))
    assert isinstance(end, ExecutionFailed)
    assert end.message.endswith(message)


def test_a_profile_that_cannot_be_kept_is_measured_all_the_same(host: MAKE, tmp_path: Path) -> None:
    executor, [toy] = host(mean_model(), profiles=ProfileCache(tmp_path / "missing" / "profiles.json"))
    assert executor.profile(toy).runs > 0


def test_warming_tells_the_seconds_and_a_warm_model_takes_none(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    executor.cool(toy.artifact)
    assert executor.warm(toy.artifact) > 0.0
    assert executor.warm(toy.artifact) == 0.0


async def test_another_model_makes_room_for_the_one_that_is_run(host: MAKE) -> None:
    executor, [watch, phone, hub] = host(
        mean_model(),
        square_root_model(),
        lookup_model(),
        size_bytes=40 * MB,
        memory_budget_bytes=100 * MB,
    )
    for toy in (watch, phone, hub):
        await run(executor, toy, items(1))
        warm = executor.warm_artifacts()
        assert toy.artifact in warm
        assert len(warm) == 2
