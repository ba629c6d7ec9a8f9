"""Several requests in one run."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.errors import Cancelled, ExecutionFailed
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedKey, HostedModel
from meshd.executor.stage import StageEnd, StageResult
from model_registry.runtime.session import Session
from tests.executor.artifacts import MemoryStore
from tests.executor.conftest import MAKE, items
from tests.executor.graphs import lookup_model, mean_model, square_root_model

Array = NDArray[Any]


class Counted:
    """A session that tells how many items each of its runs held."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self.runs: list[int] = []

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        self.runs.append(len(inputs["ecg"]))
        return self._session.run(names, inputs)


def counted(hosted: HostedModel) -> Counted:
    assert hosted.session is not None
    session = hosted.session = Counted(hosted.session)
    return session


async def together(executor: Executor, key: HostedKey, *asked: dict[str, Array]) -> list[StageEnd]:
    ended = [asyncio.get_running_loop().create_future() for _ in asked]
    executor.submit_together(key, [(inputs, end.set_result) for inputs, end in zip(asked, ended, strict=True)])
    return list(await asyncio.gather(*ended))


def scores(ends: list[StageEnd]) -> list[Any]:
    return [end.outputs["score"].tolist() if isinstance(end, StageResult) else type(end) for end in ends]


async def test_requests_of_any_size_share_a_run_and_each_gets_its_own_part(host: MAKE) -> None:
    for inline_below_s in (0.0, 10.0):
        executor, [toy] = host(mean_model(), inline_below_s=inline_below_s, rule={"alarm": 3.0})
        executor.profile(toy)
        session = counted(toy)
        ends = await together(executor, toy.key, items(1), items(2, 3), items(4))
        assert scores(ends) == [[1.0], [2.0, 3.0], [4.0]]
        assert [end.anomalous for end in ends if isinstance(end, StageResult)] == [False, True, True]
        assert session.runs == [4]


async def test_the_parts_of_a_joined_run_are_views(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    first, second = await together(executor, toy.key, items(1), items(2))
    assert isinstance(first, StageResult)
    assert isinstance(second, StageResult)
    assert first.outputs["score"].base is second.outputs["score"].base is not None


async def test_every_member_is_told_the_seconds_of_the_whole_run_and_an_items_are_learnt(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    first, second = await together(executor, toy.key, items(1, 2, 3), items(2))
    assert isinstance(first, StageResult)
    assert isinstance(second, StageResult)
    assert first.compute_s == second.compute_s
    assert toy.compute_s == first.compute_s / 4


async def test_a_run_that_stalled_is_one_timing_however_many_shared_it(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    for _ in range(3):
        toy.learn(0.001, work=1, now_s=monotonic())
    toy.compute = lambda session, inputs: ({"score": np.zeros(4, np.float32)}, 80.0)  # type: ignore[method-assign]
    await together(executor, toy.key, *[items(1)] * 4)
    assert toy.compute_s == 0.001


async def test_no_run_holds_more_items_than_the_manifest_allows(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    session = counted(toy)
    ends = await together(executor, toy.key, items(1, 2, 3), items(4, 5), items(6), items(7, 8))
    assert scores(ends) == [[1.0, 2.0, 3.0], [4.0, 5.0], [6.0], [7.0, 8.0]]
    assert session.runs == [3, 3, 2]


async def test_one_bad_request_does_not_fail_the_others(host: MAKE) -> None:
    executor, [toy] = host(lookup_model())
    ends = await together(executor, toy.key, items(1), items(99), items(3))
    assert scores(ends) == [[1.0], ExecutionFailed, [3.0]]


async def test_one_malformed_answer_does_not_spoil_the_others(host: MAKE) -> None:
    executor, [toy] = host(square_root_model())
    session = counted(toy)
    ends = await together(executor, toy.key, items(4), items(-1), items(9))
    assert [bool(end.flaw) for end in ends if isinstance(end, StageResult)] == [False, True, False]
    assert session.runs == [3]


class Mixing:
    """A session that gives one score for however many items."""

    inputs = outputs = ()

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        return [np.array([inputs["ecg"].max()], np.float32)]


async def test_a_model_that_mixes_the_items_of_a_batch_is_run_for_each_alone(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    toy.session = Mixing()
    assert scores(await together(executor, toy.key, items(1), items(3), items(2))) == [[1.0], [3.0], [2.0]]


async def test_what_breaks_the_contract_is_left_out_of_the_run(host: MAKE) -> None:
    executor, [toy] = host(mean_model())
    session = counted(toy)
    ends = await together(executor, toy.key, items(1), {"ecg": np.ones(3)}, items(2))
    assert scores(ends) == [[1.0], ExecutionFailed, [2.0]]
    assert session.runs == [2]


async def test_a_member_that_is_called_off_in_time_is_left_out_and_told(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store)
    executor.cool(toy.artifact)
    store.gate.clear()
    ended = [asyncio.get_running_loop().create_future() for _ in range(2)]
    stages = executor.submit_together(toy.key, [(items(1), ended[0].set_result), (items(2), ended[1].set_result)])
    assert stages[0].cancel()
    store.gate.set()
    ends = list(await asyncio.gather(*ended))
    assert scores(ends) == [Cancelled, [2.0]]
    assert [stage.cancel() for stage in stages] == [True, False]


async def test_a_batch_for_a_model_that_cannot_be_loaded_fails_and_what_was_called_off_stays_so(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store)
    executor.cool(toy.artifact)
    store.rotten = True
    store.gate.clear()
    ended = [asyncio.get_running_loop().create_future() for _ in range(2)]
    stages = executor.submit_together(toy.key, [(items(1), ended[0].set_result), (items(2), ended[1].set_result)])
    stages[0].cancel()
    store.gate.set()
    assert scores(list(await asyncio.gather(*ended))) == [Cancelled, ExecutionFailed]


async def test_whatever_the_thread_of_a_batch_meets_is_an_end(host: MAKE) -> None:
    store = MemoryStore(mean_model())
    executor, [toy] = host(mean_model(), store=store)
    executor.cool(toy.artifact)
    store.fault = ZeroDivisionError("a bug")
    [end] = await together(executor, toy.key, items(1))
    assert isinstance(end, ExecutionFailed)
    assert end.message == "the executor failed: ZeroDivisionError('a bug')"


async def test_a_batch_for_a_model_that_is_not_hosted_is_an_end_for_each(host: MAKE) -> None:
    executor, _ = host(mean_model())
    key = (ModelName("toy"), DeviceClass.WATCH, ArtifactHash("e" * 64))
    assert scores(await together(executor, key, items(1), items(2))) == [ExecutionFailed] * 2


async def test_closing_tells_every_member(host: MAKE) -> None:
    executor, [toy] = host(mean_model(), inline_below_s=0.0)
    ends: list[StageEnd] = []
    for _ in range(3):
        executor.submit_together(toy.key, [(items(1), ends.append), (items(2), ends.append)])
    executor.close()
    await asyncio.sleep(0)
    assert len(ends) == 6
