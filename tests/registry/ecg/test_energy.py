from __future__ import annotations

import pytest

from model_registry.power import PowerModel
from model_registry.zoo.ecg.energy import Bill


def device(active_watts: float, joules_per_byte: float, wake_joules: float) -> PowerModel:
    return PowerModel(
        idle_watts=9.0,
        active_watts=active_watts,
        macs_per_s=1e6,
        radio_joules_per_byte=joules_per_byte,
        radio_wake_joules=wake_joules,
        radio_bps=1e6,
    )


BILL = Bill(
    power={"watch": device(1, 1e-3, 0.5), "phone": device(2, 2e-3, 0.25), "hub": device(4, 3e-3, 0.0)},
    macs={"watch": 1_000_000, "phone": 2_000_000, "hub": 3_000_000},
)


def test_the_watch_alone_pays_for_looking_only() -> None:
    assert BILL.watch_only_joules(10) == pytest.approx(10 * 1.0)


def test_the_hub_alone_pays_both_ends_of_every_window_and_its_own_look() -> None:
    hop = 7200 * (1e-3 + 3e-3) + 0.5
    assert BILL.hub_only_joules(10) == pytest.approx(10 * (hop + 12.0))


def test_the_cascade_pays_for_each_hop_that_was_taken() -> None:
    to_phone = 7200 * (1e-3 + 2e-3) + 0.75 + 4.0
    to_hub = 7200 * (2e-3 + 3e-3) + 0.25 + 12.0
    assert BILL.cascade_joules(10, 4, 1) == pytest.approx(10 * 1.0 + 4 * to_phone + to_hub)
