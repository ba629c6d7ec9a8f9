"""Where a node's joules come from: its battery, a charger, the mains."""

from __future__ import annotations

from math import copysign, inf

from policies.scenario import Node


class Supply:
    """A battery that drains and charges, or a socket; what was given equals what was taken."""

    def __init__(self, node: Node, now: float) -> None:
        battery = node.battery
        self.is_charging = battery is not None and battery.is_charging
        self.socket_joules = 0.0
        """Given by the mains or a charger."""
        self._capacity_joules = battery.capacity_joules if battery is not None else inf
        self._level_joules = battery.capacity_joules * battery.fraction if battery is not None else inf
        self._begun_joules = self._level_joules
        self._demand_watts = battery.demand_watts if battery is not None else node.power.idle_watts
        self._charge_watts = battery.charge_watts if battery is not None else 0.0
        self.has_battery = battery is not None
        self._at_s = now

    @property
    def is_on_mains(self) -> bool:
        """Tell whether a joule comes from a wall now."""
        return self.is_charging or not self.has_battery

    @property
    def given_joules(self) -> float:
        """Return what battery and socket have given so far."""
        from_battery = self._begun_joules - self._level_joules if self.has_battery else 0.0
        return from_battery + self.socket_joules

    @property
    def left_joules(self) -> float:
        """Return what the battery holds; infinity on the mains."""
        return self._level_joules

    @property
    def empty_s(self) -> float:
        """Return when the battery will be empty if nothing is asked of the node; infinity where it will not."""
        watts = self._drain_watts
        return self._at_s + max(0.0, self._level_joules) / watts if self.has_battery and watts > 0.0 else inf

    @property
    def _drain_watts(self) -> float:
        return self._demand_watts - (self._charge_watts if self.is_charging else 0.0)

    def fraction(self, at_s: float) -> float | None:
        """Return how full the battery is, in whole percents as systems tell it; none without one."""
        if not self.has_battery:
            return None
        level_joules = self._level_joules - self._drain_watts * (at_s - self._at_s)
        return min(1.0, max(0.0, round(level_joules / self._capacity_joules, 2)))

    def fraction_until_s(self, at_s: float) -> float:
        """Return until when :meth:`fraction` stays as it is then, if nothing is asked of the node."""
        fraction, drain_watts = self.fraction(at_s), self._drain_watts
        if fraction is None or drain_watts == 0.0 or (fraction == 1.0 and drain_watts < 0.0):
            return inf
        bound = fraction - copysign(0.005, drain_watts)
        return self._at_s + (self._level_joules - bound * self._capacity_joules) / drain_watts

    def resume(self, now: float) -> None:
        """Pass over the time in which the node was off."""
        self._at_s = now

    def pass_time(self, now: float) -> float:
        """Let the node draw what it draws anyhow, and a charger give; return the joules drawn."""
        seconds, self._at_s = now - self._at_s, now
        drawn = seconds * self._demand_watts
        if not self.has_battery:
            self.socket_joules += drawn
        elif self.is_charging:
            self._charge(seconds * self._charge_watts, drawn)
        else:
            self._level_joules -= drawn
        return drawn

    def spend(self, joules: float) -> None:
        """Take joules for a request, now."""
        if self.has_battery:
            self._level_joules -= joules
        else:
            self.socket_joules += joules

    def _charge(self, offered: float, drawn: float) -> None:
        """Take from a charger what is drawn, and what the battery has room for."""
        room = self._capacity_joules - self._level_joules
        given = min(offered, drawn + room)
        self.socket_joules += given
        self._level_joules += given - drawn
