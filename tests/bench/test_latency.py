"""Three ways are timed in turns, and only where they were meant to run."""

from collections.abc import Callable

import pytest

from meshd.bench.latency import measure_latencies
from meshd.client import Result
from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass
from meshd.errors import SetupError


def result_of(tier: DeviceClass) -> Result:
    hop = Hop(node_id=NodeId("a" * 64), node="somewhere", tier=tier, variant="fp32", compute_s=0.0)
    answer = Answer(
        model=ModelName("bench-tiny"),
        version="1.0.0",
        tier=tier,
        variant="fp32",
        score=None,
        anomalous=None,
        confidence=None,
        degraded=False,
        escalations=0,
        route=(hop,),
        timings=Timings(),
        energy=Energy(),
    )
    return Result(request_id=RequestId("1"), outputs={}, answer=answer)


def asking(called: list[str], answered_by: Callable[[DeviceClass], DeviceClass]) -> Callable[[DeviceClass], Result]:
    def ask(tier: DeviceClass) -> Result:
        called.append(tier.value)
        return result_of(answered_by(tier))

    return ask


def test_the_ways_take_turns_and_the_first_turn_warms_up() -> None:
    called: list[str] = []
    measure_latencies(lambda: called.append("run"), asking(called, lambda tier: tier), blocks=1, calls=2)
    assert called == ["run", "run", "watch", "watch", "hub", "hub"] * 2


def test_an_answer_from_another_tier_is_no_figure() -> None:
    with pytest.raises(SetupError, match="the hub tier answered where the watch tier was to be timed"):
        measure_latencies(lambda: None, asking([], lambda _: DeviceClass.HUB), blocks=1, calls=1)
