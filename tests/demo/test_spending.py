"""A way of watching costs what its tiers compute and what its radios carry."""

import pytest

from meshd.core.node import DeviceClass
from meshd.demo.spending import Spending
from model_registry.power import PowerModel
from model_registry.zoo.ecg.energy import Bill

WATCH, PHONE, HUB = DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB


def power(watts: float) -> PowerModel:
    return PowerModel(
        idle_watts=0.0,
        active_watts=watts,
        macs_per_s=1000.0,
        radio_joules_per_byte=0.001 * watts,
        radio_wake_joules=0.5,
        radio_bps=1e6,
    )


@pytest.fixture
def spending() -> Spending:
    return Spending(
        power={WATCH: power(1.0), PHONE: power(2.0), HUB: power(4.0)},
        macs={WATCH: 10, PHONE: 100, HUB: 1000},
        window_bytes=100,
    )


@pytest.mark.parametrize(
    ("route", "joules"),
    [
        ((WATCH,), 0.01),
        ((HUB,), (0.1 + 0.5) + (0.4 + 0.5) + 4.0),
        ((WATCH, PHONE), 0.01 + (0.1 + 0.5) + (0.2 + 0.5) + 0.2),
        ((WATCH, PHONE, HUB), 0.01 + (0.1 + 0.5) + (0.2 + 0.5) + 0.2 + (0.2 + 0.5) + (0.4 + 0.5) + 4.0),
    ],
)
def test_a_route_costs_its_computing_and_both_ends_of_each_pass(
    route: tuple[DeviceClass, ...], joules: float, spending: Spending
) -> None:
    assert spending.joules(route) == pytest.approx(joules)


def test_the_evaluation_of_the_model_family_arrives_at_the_same_bill(spending: Spending) -> None:
    bill = Bill(
        power={name.value: figures for name, figures in spending.power.items()},
        macs={name.value: macs for name, macs in spending.macs.items()},
    )
    same = Spending(power=spending.power, macs=spending.macs, window_bytes=7200)
    cascade = 6 * same.joules([WATCH]) + 3 * same.joules([WATCH, PHONE]) + same.joules([WATCH, PHONE, HUB])
    assert bill.watch_only_joules(10) == pytest.approx(10 * same.joules([WATCH]))
    assert bill.hub_only_joules(10) == pytest.approx(10 * same.joules([HUB]))
    assert bill.cascade_joules(10, left_watch=4, reached_hub=1) == pytest.approx(cascade)
