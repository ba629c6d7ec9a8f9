"""Models whose inputs may be of several lengths are timed at a few of them, and learn from runs of any."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from onnx import TensorProto, helper

from meshd.core.ids import ArtifactHash
from meshd.errors import ExecutionFailed
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from meshd.executor.length import Length, Lengths
from meshd.executor.profile import FEWEST_RUNS, LONGEST_ROW_S, Profile, measure_lengths
from meshd.executor.profile_cache import ProfileCache
from meshd.executor.stage import StageEnd, StageResult
from model_registry.manifest import Manifest
from model_registry.tensor import Axis, Tensor
from tests.executor.artifacts import AdmitsAll, MemoryStore
from tests.executor.cuttable import cuttable_manifest, cuttable_model
from tests.executor.graphs import manifest_of, mean_model

SOUND = Tensor(name="sound", dtype="float32", shape=("batch", "samples"))
STATE = Tensor(name="state", dtype="float32", shape=("batch", 10))
LONG = replace(
    manifest_of(mean_model()),
    inputs=(SOUND, STATE),
    axes={"batch": Axis(min=1, max=8), "samples": Axis(min=100, max=100_000)},
)
SIZES = (440, 4_040, 40_040, 400_040)


def square_model() -> bytes:
    """score = the mean of the products of all pairs of samples: work that grows by the square of the length."""
    nodes = [
        helper.make_node("Unsqueeze", ["sound", "last"], ["column"]),
        helper.make_node("Unsqueeze", ["sound", "middle"], ["row"]),
        helper.make_node("Mul", ["column", "row"], ["pairs"]),
        helper.make_node("ReduceMean", ["pairs"], ["score"], axes=[1, 2], keepdims=0),
    ]
    axes = [
        helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        helper.make_tensor("middle", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["n", "samples"])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        axes,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


SQUARE = square_model()
SQUARES = manifest_of(SQUARE)
SQUARES = replace(
    SQUARES,
    inputs=(SOUND,),
    tiers=tuple(replace(tier, outputs=tier.outputs[:1]) for tier in SQUARES.tiers),
    axes={"batch": Axis(min=1, max=8), "samples": Axis(min=8, max=2_000)},
)


def hosting(content: bytes, manifest: Manifest, cache: ProfileCache | None = None) -> tuple[Executor, HostedModel]:
    executor = Executor(
        MemoryStore(content), slots=1, memory_budget_bytes=1 << 30, admission=AdmitsAll(), profiles=cache
    )
    return executor, executor.host(manifest, manifest.tiers[0], manifest.tiers[0].variants[0])


def test_lengths_are_the_shortest_the_longest_and_two_between_in_even_ratios() -> None:
    lengths = Lengths(LONG).to_time()
    assert [length.extents["samples"] for length in lengths] == [100, 1_000, 10_000, 100_000]
    assert tuple(length.item_bytes for length in lengths) == SIZES


def test_a_model_whose_batch_alone_is_free_is_timed_at_one_length() -> None:
    lengths = Lengths(manifest_of(mean_model()))
    assert (len(lengths.to_time()), lengths.are_free) == (1, False)


def test_axes_that_can_take_few_lengths_give_each_of_them_once() -> None:
    lengths = Lengths(replace(LONG, axes={**LONG.axes, "samples": Axis(min=2, max=3)})).to_time()
    assert [length.extents["samples"] for length in lengths] == [2, 3]


def test_an_item_has_the_bytes_of_all_its_inputs_however_many_there_are() -> None:
    assert Lengths(LONG).item_bytes({"batch": 7, "samples": 1_000}) == 4_040
    assert Lengths(LONG).item_bytes({}) == 440


def timed(taken_s: Sequence[float], *, fails_at: int | None = None) -> Profile:
    def run(length: Length) -> float:
        if length.item_bytes == fails_at:
            raise ExecutionFailed("these axes depend on each other")
        return taken_s[SIZES.index(length.item_bytes)]

    return measure_lengths(run, Lengths(LONG).to_time(), load_s=0.5, limit_s=0.0)


def test_a_profile_says_how_many_times_as_long_longer_inputs_take() -> None:
    shortest = Profile(compute_s=2**-20, spread_s=0.0, load_s=0.5, runs=FEWEST_RUNS)
    assert timed([2**-20, 2**-19, 2**-17, 2**-15]) == replace(shortest, sizes=SIZES[1:], growth=(2.0, 8.0, 32.0))


def test_a_length_that_might_take_too_long_is_not_run() -> None:
    assert timed([LONGEST_ROW_S / 200, LONGEST_ROW_S / 20, inf, inf]).sizes == SIZES[1:2]


def test_a_run_that_met_a_pause_leaves_out_no_length() -> None:
    ran: list[Length] = []

    def run(length: Length) -> float:
        ran.append(length)
        return LONGEST_ROW_S / 2 if len(ran) == 2 else 1e-6

    assert measure_lengths(run, Lengths(LONG).to_time(), load_s=0.5, limit_s=0.0).sizes == SIZES[1:]


@pytest.mark.parametrize(("longest_s", "n_longer"), [(0.7, 3), (0.95, 2)])
def test_all_lengths_of_a_model_together_hold_up_the_start_for_less_than_four_seconds(
    longest_s: float, n_longer: int
) -> None:
    ran_s: list[float] = []

    def run(length: Length) -> float:
        ran_s.append(float(longest_s * (length.item_bytes / SIZES[-1]) ** 2))
        return ran_s[-1]

    profile = measure_lengths(run, Lengths(LONG).to_time(), load_s=0.0, limit_s=0.0)
    assert profile.sizes == SIZES[1 : 1 + n_longer]
    assert sum(ran_s) < 4.0


def test_a_length_that_fails_is_left_out_and_so_are_longer_ones() -> None:
    assert timed([1e-6, 1e-6, 1e-6, 1e-6], fails_at=SIZES[2]).sizes == SIZES[1:2]
    with pytest.raises(ExecutionFailed):
        timed([1e-6] * 4, fails_at=SIZES[0])


def test_what_a_node_announces_grows_with_the_length() -> None:
    executor, hosted = hosting(SQUARE, SQUARES)
    executor.profile(hosted)
    [told] = executor.hosted_tiers()
    assert (told.input_bytes, told.sizes[-1]) == (32, 8_000)
    assert told.growth[-1] > 10.0
    assert told.growth_at(8_000) == pytest.approx(told.growth[-1])
    executor.close()


def test_stages_are_timed_at_the_lengths_of_the_whole() -> None:
    content = cuttable_model()
    executor, hosted = hosting(content, cuttable_manifest(content))
    executor.profile(hosted)
    executor.prepare_stages(hosted)
    [told] = executor.hosted_tiers()
    assert (told.sizes, told.growth, [stage.growth for stage in told.stages]) == ((), (), [(), (), ()])
    executor.close()


@pytest.mark.parametrize("samples", [8, 100, 1_999])
async def test_a_long_run_does_not_make_a_model_look_slow(samples: int) -> None:
    executor, hosted = hosting(SQUARE, SQUARES)
    hosted.adopt(
        Profile(compute_s=1e-6, spread_s=0.0, load_s=0.0, runs=1, sizes=(400, 8_000), growth=(100.0, 40_000.0))
    )
    work = hosted.work_of({"batch": 2, "samples": samples}, 2)
    for _ in range(40):
        hosted.learn(1e-6 * work, work=work, now_s=0.0)
    assert hosted.compute_s == pytest.approx(1e-6)
    executor.close()


async def test_what_is_short_runs_at_once_and_a_long_input_of_the_same_model_does_not() -> None:
    executor, hosted = hosting(SQUARE, SQUARES)
    hosted.adopt(Profile(compute_s=1e-4, spread_s=0.0, load_s=0.0, runs=1, sizes=(8_000,), growth=(1_000.0,)))
    ends: list[StageEnd] = []

    def submit(samples: int) -> None:
        sound: NDArray[Any] = np.zeros((1, samples), np.float32)
        executor.submit(hosted.key, {"sound": sound}, ends.append)

    submit(8)
    assert isinstance(ends[0], StageResult)
    submit(1_900)
    assert len(ends) == 1
    executor.close()


def test_a_profile_from_before_lengths_were_timed_is_measured_again(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path / "profiles.json")
    executor, hosted = hosting(SQUARE, SQUARES, cache)
    cache.put(ArtifactHash(hosted.artifact), Profile(compute_s=5.0, spread_s=0.0, load_s=0.0, runs=1))
    assert executor.profile(hosted).compute_s < 5.0
    assert hosted.sizes == cache.get(hosted.artifact).sizes == (200, 1_268, 8_000)  # type: ignore[union-attr]
    executor.close()
