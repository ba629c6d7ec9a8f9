"""What a device is beside its scheduler: energy, warmth, memory, a radio."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from meshd.core.events import HostChanged
from policies.simulator.antenna import Antenna
from policies.simulator.costs import Charge, Use
from policies.simulator.memory import Memory
from policies.simulator.warmth import Warmth

if TYPE_CHECKING:
    from policies.simulator.world import World

_NOTHING = HostChanged(warm=(), battery_fraction=-1.0, charging=False, free_memory_bytes=None)
"""What no device says."""


class Body:
    """One life of a device; only its battery outlives it."""

    def __init__(self, world: World, place: int) -> None:
        node = world.terrain.nodes[place]
        self.memory = Memory(node, world.now)
        self.warmth = Warmth(node.thermal, world.now)
        self.power = node.power
        self._world = world
        self._place = place
        self._node_id = node.node_id
        self._supply = world.supplies[place]
        self._antenna = Antenna(node.radio)
        self._mains_weight = world.terrain.settings.mains_joule_weight
        self._horizon_s = world.terrain.scenario.horizon_s
        self.steady_until_s = -inf
        """Until when it says the same of itself, if nothing happens."""
        self._told = _NOTHING

    def vitals(self, at_s: float) -> HostChanged:
        """Return what the device says of itself; the same object while that is the same."""
        if at_s >= self.steady_until_s:
            told = HostChanged(
                warm=self.memory.warm(at_s),
                battery_fraction=self._supply.fraction(at_s),
                charging=self._supply.is_charging,
                free_memory_bytes=self.memory.free_bytes,
            )
            if told != self._told:
                self._told = told
            loaded_s = self.memory.loaded_s if at_s < self.memory.loaded_s else inf
            self.steady_until_s = min(loaded_s, self._supply.fraction_until_s(at_s))
        return self._told

    def unsettle(self) -> None:
        """Look again at what to say next time."""
        self.steady_until_s = -inf

    def spend(self, use: Use, joules: float, number: int) -> None:
        """Take joules for an arrival, now."""
        if joules <= 0.0:
            return
        supply, world = self._supply, self._world
        cost = joules * self._mains_weight if supply.is_on_mains else joules
        world.costs.charge(
            Charge(at_s=world.now, node_id=self._node_id, use=use, joules=joules, cost=cost, request=number)
        )
        supply.spend(joules)
        if supply.has_battery:
            self.unsettle()
            if supply.empty_s < self._horizon_s:
                world.watch_battery(self._place)

    def compute(self, seconds: float, number: int) -> None:
        """Take what a busy slot takes."""
        self.spend(Use.COMPUTE, seconds * self.power.active_watts, number)

    def load(self, seconds: float, number: int) -> None:
        """Take what loading takes."""
        self.spend(Use.LOAD, seconds * self.power.active_watts, number)

    def wake_radio(self, number: int) -> float:
        """Wake the radio if it sleeps; return the seconds until the first byte."""
        if not self._antenna.is_asleep(self._world.now):
            return 0.0
        self.spend(Use.WAKE, self.power.radio_wake_joules, number)
        return self._antenna.wake(self._world.now)

    def moved(self, n_bytes: float, number: int, *, last_byte_s: float) -> None:
        """Account for bytes out or in, and for the tail behind them."""
        self.spend(Use.RADIO, n_bytes * self.power.radio_joules_per_byte, number)
        self.spend(Use.TAIL, self._antenna.linger(last_byte_s), number)
