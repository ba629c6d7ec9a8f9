"""Runs of some of a model's stages: what crosses goes in and comes out, by name."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from meshd.core.node import WarmStages
from meshd.errors import Cancelled, ExecutionFailed
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from meshd.executor.stage import StageEnd, StageResult
from meshd.wire.tensors import decode_tensors, encode_tensors
from tests.executor.artifacts import AdmitsAll, MemoryStore
from tests.executor.cuttable import SAMPLES, cuttable_manifest, cuttable_model

Array = NDArray[Any]
CONTENT = cuttable_model()
MB = 1_000_000


def hosting(
    *, store: MemoryStore | None = None, ready: bool = True, budget_bytes: int = 1 << 30, inline_below_s: float = 0.0
) -> tuple[Executor, HostedModel]:
    executor = Executor(
        store or MemoryStore(CONTENT),
        slots=1,
        memory_budget_bytes=budget_bytes,
        admission=AdmitsAll(),
        inline_below_s=inline_below_s,
    )
    manifest = cuttable_manifest(CONTENT)
    hosted = executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])
    if ready:
        assert executor.prepare_stages(hosted)
    return executor, hosted


def asked(*values: int, gain: float = 1.0) -> dict[str, Array]:
    """Return a batch with one item for each value, all samples of which are that value."""
    rows = np.repeat(np.array(values, np.int16)[:, None], SAMPLES, axis=1)
    return {"ecg": rows, "gain": np.full(len(values), gain, np.float32)}


def crossing(*values: float) -> dict[str, Array]:
    """Return what crosses at the first cut for such a batch."""
    rows = np.repeat(np.array(values, np.float32)[:, None], SAMPLES, axis=1)
    return {"x": rows, "bias": np.ones(len(values), np.float32)}


async def run(
    executor: Executor, hosted: HostedModel, inputs: Mapping[str, Array], first: int = 0, last: int | None = None
) -> StageEnd:
    ended = asyncio.get_running_loop().create_future()
    executor.submit(hosted.key, inputs, ended.set_result, first=first, last=last)
    return await ended  # type: ignore[no-any-return]


def finished(end: StageEnd) -> StageResult:
    assert isinstance(end, StageResult)
    return end


def listed(end: StageEnd) -> dict[str, list[Any]]:
    return {name: array.tolist() for name, array in finished(end).outputs.items()}


async def test_what_a_head_gives_is_what_the_tail_takes_and_the_answer_is_the_wholes() -> None:
    executor, hosted = hosting()
    for cut in (1, 2):
        head = finished(await run(executor, hosted, asked(-1, 3), 0, cut))
        tail = await run(executor, hosted, head.outputs, cut)
        assert listed(tail) == {"score": [3.0, 7.0], "mean": [-2.0, 6.0]}
        assert listed(tail) == listed(await run(executor, hosted, asked(-1, 3)))
    executor.close()


async def test_only_the_last_stage_is_scored() -> None:
    executor, hosted = hosting()
    head = finished(await run(executor, hosted, asked(60), 0, 2))
    tail = finished(await run(executor, hosted, head.outputs, 2, 3))
    assert (head.score, head.anomalous, tail.score, tail.anomalous) == (None, None, 121.0, True)
    executor.close()


async def test_a_middle_stage_hands_on_what_was_made_before_and_is_needed_behind() -> None:
    executor, hosted = hosting()
    middle = await run(executor, hosted, crossing(-2.0), 1, 2)
    assert listed(middle) == {"z": [[2.0] * SAMPLES], "bias": [1.0], "mean": [-2.0]}
    executor.close()


async def test_the_whole_by_number_is_the_whole() -> None:
    executor, hosted = hosting()
    assert hosted.part(0, 3) is hosted is hosted.part(0, None)
    executor.close()


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (0, 4), (2, 2), (2, 1), (3, None), (0, 0), (7, 9)])
async def test_stages_that_a_model_does_not_have_are_an_end(first: int, last: int | None) -> None:
    executor, hosted = hosting()
    end = await run(executor, hosted, crossing(1.0), first, last)
    assert isinstance(end, ExecutionFailed)
    assert "has 3 stages" in end.message
    executor.close()


async def test_stages_that_were_not_admitted_are_not_run() -> None:
    executor, hosted = hosting(ready=False)
    end = await run(executor, hosted, crossing(1.0), 1)
    assert isinstance(end, ExecutionFailed)
    assert end.message == "the stages of cuttable/hub/fp32 are not admitted on this node."
    executor.close()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": crossing(1.0)["x"]}, "Input 'bias' of model 'cuttable' is missing."),
        (crossing(1.0) | {"y": np.ones(1)}, "Model 'cuttable' has no input 'y'."),
        (crossing(1.0) | {"x": np.ones((1, SAMPLES))}, "Input 'x' is float64 and must be float32."),
        (crossing(1.0) | {"bias": np.ones((1, 1), np.float32)}, "Input 'bias' has 2 axes, shape (1, 1)"),
        (crossing(*[1.0] * 9), "Input 'x' has 9 elements on axis 0 and must have 1 to 8 ('batch')."),
        (
            crossing(1.0, 2.0) | {"bias": np.ones(1, np.float32)},
            "Input 'bias' has 1 elements on axis 0 and must have 2, like the other tensors with axis 'batch'.",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("inline_below_s", [0.0, 10.0])
async def test_what_crosses_is_held_against_the_cut_before_it_reaches_the_runtime(
    inputs: dict[str, Array], message: str, inline_below_s: float
) -> None:
    executor, hosted = hosting(inline_below_s=inline_below_s)
    end = await run(executor, hosted, inputs, 1)
    assert isinstance(end, ExecutionFailed)
    assert end.message.startswith(message)
    executor.close()


async def test_what_crosses_may_be_no_number_and_the_answer_may_not() -> None:
    executor, hosted = hosting()
    middle = finished(await run(executor, hosted, crossing(np.nan), 1, 2))
    assert not middle.malformed
    last = finished(await run(executor, hosted, middle.outputs, 2))
    assert last.flaw == "Output 'score' holds 1 NaN; every element must be finite."
    executor.close()


async def test_a_run_of_a_range_teaches_its_stages_and_not_the_whole() -> None:
    executor, hosted = hosting(ready=False)
    executor.profile(hosted)
    whole_s, hosted.stages_ready = hosted.compute_s, True
    await run(executor, hosted, asked(1), 0, 2)
    assert [timing.measured for timing in hosted.stage_times.timings(whole_s)] == [True, True, False]
    assert hosted.compute_s == whole_s
    executor.close()


async def test_a_short_range_ends_before_submit_returns() -> None:
    executor, hosted = hosting(inline_below_s=10.0)
    executor.profile(hosted)
    assert finished(await run(executor, hosted, asked(1), 0, 1)).load_s > 0  # In a thread: it was cold.
    ends: list[StageEnd] = []
    executor.submit(hosted.key, asked(1), ends.append, last=1)
    assert [finished(end).load_s for end in ends] == [0.0]
    executor.close()


async def test_a_range_that_waits_can_be_called_off() -> None:
    store = MemoryStore(CONTENT)
    executor, hosted = hosting(store=store)
    store.gate.clear()
    running, waiting = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    executor.submit(hosted.key, asked(1), running.set_result, last=1)
    assert executor.submit(hosted.key, crossing(1.0), waiting.set_result, first=1).cancel()
    assert isinstance(await waiting, Cancelled)
    store.gate.set()
    assert isinstance(await running, StageResult)
    executor.close()


async def test_a_range_of_a_rotten_artifact_is_an_end_and_told() -> None:
    store = MemoryStore(CONTENT)
    executor, hosted = hosting(store=store)
    told: list[str] = []
    executor.on_unloadable = told.append
    store.rotten = True
    assert isinstance(await run(executor, hosted, asked(1), 0, 1), ExecutionFailed)
    assert told == [hosted.artifact]
    executor.close()


# ---------------------------------------------------------------------------------------------------------- memory


async def test_ranges_count_against_the_budget_like_models() -> None:
    executor, hosted = hosting(budget_bytes=25 * MB)
    hosted.memory_bytes = 10 * MB
    executor.cool(hosted.artifact)
    parts = [hosted.part(0, 1), hosted.part(1, None), hosted.part(0, 2)]
    for part in parts:
        part.memory_bytes = 10 * MB
        part.opened = _measured_at(part, 10 * MB)  # type: ignore[method-assign]
    await run(executor, hosted, asked(1), 0, 1)
    await run(executor, hosted, crossing(1.0), 1)
    assert [part.session is not None for part in parts] == [True, True, False]
    await run(executor, hosted, asked(1), 0, 2)
    assert sorted(part.session is not None for part in parts) == [False, True, True]
    assert parts[2].session is not None
    executor.close()


async def test_tails_are_loaded_ahead_only_where_half_of_the_budget_stays_free() -> None:
    executor, hosted = hosting()
    executor.warm_ends(hosted, tails=True)
    tails = [hosted.part(1, None), hosted.part(2, None)]
    assert all(tail.session for tail in tails)
    assert finished(await run(executor, hosted, crossing(1.0), 1)).load_s == 0.0
    executor.cool(hosted.artifact)
    for tail in tails:
        tail.memory_bytes = 600 * MB
    executor.warm_ends(hosted, tails=True)
    assert not any(tail.session for tail in tails)
    executor.close()


async def test_heads_are_loaded_ahead_everywhere_and_tails_where_peers_may_ask_for_them_and_both_are_told_of() -> None:
    executor, hosted = hosting()
    assert executor.warm_stages() == (WarmStages(artifact=hosted.artifact),)
    executor.warm_ends(hosted, tails=False)
    assert executor.warm_stages() == (WarmStages(artifact=hosted.artifact, ranges=((0, 1), (0, 2))),)
    assert finished(await run(executor, hosted, asked(1), 0, 1)).load_s == 0.0
    executor.warm_ends(hosted, tails=True)
    (told,) = executor.warm_stages()
    assert sorted(told.ranges) == [(0, 1), (0, 2), (1, 3), (2, 3)]
    executor.close()


async def test_a_tail_that_cannot_be_loaded_ahead_is_left_for_later() -> None:
    store = MemoryStore(CONTENT)
    executor, hosted = hosting(store=store)
    store.rotten = True
    executor.warm_ends(hosted, tails=True)
    store.rotten = False
    assert finished(await run(executor, hosted, crossing(1.0), 1)).load_s > 0.0
    executor.close()


async def test_stages_that_were_not_admitted_are_not_loaded_ahead() -> None:
    executor, hosted = hosting(ready=False)
    executor.warm_ends(hosted, tails=True)
    assert hosted.residents == (hosted,)
    executor.close()


async def test_a_model_of_which_only_a_part_ran_was_used() -> None:
    executor, hosted = hosting()
    before_s = hosted.latest_use_s
    await run(executor, hosted, asked(1), 0, 1)
    assert hosted.latest_use_s > before_s == hosted.last_used_s
    executor.close()


async def test_cooling_a_model_cools_its_ranges() -> None:
    executor, hosted = hosting()
    await run(executor, hosted, asked(1), 0, 1)
    executor.cool(hosted.artifact)
    assert [resident.session for resident in hosted.residents] == [None, None]
    executor.close()


def _measured_at(part: Any, n_bytes: int) -> Any:
    """Let a part look as large as a model of so many bytes."""
    opened = part.opened

    def open_larger(content: bytes, *, threads: int) -> Any:
        session = opened(content, threads=threads)
        part._file_bytes = n_bytes
        return session

    return open_larger


# ---------------------------------------------------------------------------------------------------------- copies


class Door:
    """A session that keeps what it is given."""

    inputs = outputs = ()

    def __init__(self, made: list[Array]) -> None:
        self.made = made
        self.given: dict[str, Array] = {}

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        self.given = dict(inputs)
        return self.made


async def test_between_a_frame_and_the_runtime_no_tensor_is_copied() -> None:
    executor, hosted = hosting(inline_below_s=10.0)
    hosted.learn(0.0, work=1, now_s=monotonic())
    headers, parts = encode_tensors(asked(1, 2))
    payload = memoryview(b"".join(bytes(part) for part in parts))
    door = hosted.session = Door([np.zeros(2, np.float32), np.zeros(2, np.float32)])
    ends: list[StageEnd] = []
    executor.submit(hosted.key, decode_tensors(headers, payload), ends.append)
    frame = np.frombuffer(payload, np.uint8)
    assert [np.shares_memory(array, frame) for array in door.given.values()] == [True, True]
    _, sent = encode_tensors(finished(ends[0]).outputs)
    frames = [np.frombuffer(part, np.uint8) for part in sent]
    assert [np.shares_memory(*pair) for pair in zip(frames, door.made, strict=True)] == [True, True]
    executor.close()
