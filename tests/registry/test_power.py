from typing import Any

import msgspec
import pytest
from msgspec import structs

from model_registry.power import PowerModel

WATCH = PowerModel(
    idle_watts=0.03,
    active_watts=0.25,
    macs_per_s=1e9,
    radio_joules_per_byte=1e-6,
    radio_wake_joules=1e-4,
    radio_bps=1e6,
    battery_joules=4000,
)


def test_computing_costs_the_busy_time_at_the_active_power() -> None:
    assert WATCH.compute_seconds(2_000_000_000) == 2.0
    assert WATCH.compute_joules(2_000_000_000) == 0.5


def test_sending_costs_each_byte_and_each_wake_up() -> None:
    assert WATCH.radio_joules(7_200, wakes=1) == 7_200 * 1e-6 + 1e-4
    assert WATCH.radio_joules(7_200, wakes=0) == 7_200 * 1e-6
    assert WATCH.radio_seconds(125_000) == 1.0


def test_idle_power_is_in_no_cost_of_a_request() -> None:
    thirsty = structs.replace(WATCH, idle_watts=100.0)
    assert thirsty.compute_joules(10**9) == WATCH.compute_joules(10**9)


@pytest.mark.parametrize("figure", [float("inf"), float("nan"), 1e300, 5e-324, 0.0, -1.0])
def test_no_figure_can_make_a_cost_infinite(figure: float) -> None:
    announced: dict[str, Any] = structs.asdict(WATCH) | {"radio_bps": figure}
    with pytest.raises(msgspec.ValidationError, match=r"\$\.radio_bps"):
        msgspec.msgpack.decode(msgspec.msgpack.encode(announced), type=PowerModel)
