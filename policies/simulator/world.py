"""All that changes in a running simulation."""

from __future__ import annotations

from collections import deque

from meshd.core.answer import Answer, Outcome
from meshd.core.candidate import Observation
from meshd.core.events import Event
from meshd.core.node import DeviceClass
from meshd.errors import PeerLost
from policies.scenario import Arrival
from policies.simulator.agenda import Agenda, Alarm, Deed, Delivery, Empty, Handled, Leave, Loaded, RunEnd, SessionEnd
from policies.simulator.costs import BATTERY_EMPTY, Costs, Ended
from policies.simulator.device import Device
from policies.simulator.held import CLIENT, Held
from policies.simulator.supply import Supply
from policies.simulator.terrain import Terrain
from policies.simulator.wires import Wires

_EMPTY_JOULES = 1e-6
"""What is left of a battery that is empty: sums of floats."""


class World:
    """Devices, wires, what is on the agenda, and the ledger."""

    def __init__(self, terrain: Terrain, *, replies_tell: bool, makes_all_rounds: bool) -> None:
        self.terrain = terrain
        self.now = 0.0
        """Seconds since the scenario began."""
        self.replies_tell = replies_tell
        self.makes_all_rounds = makes_all_rounds
        self.agenda = Agenda()
        self.costs = Costs({node.node_id: node.profile.device_class for node in terrain.nodes})
        self.inbox: deque[tuple[Device, Event | Observation]] = deque()
        """What happens now, and what policies are to be asked now, in turn."""
        self.supplies = [Supply(node, 0.0) for node in terrain.nodes]
        self.devices: dict[int, Device] = {}
        """Those that are on, by their places."""
        self.empty: set[int] = set()
        """Places of those that are off because their batteries are empty."""
        self.wires = Wires(self)
        self.n_open = 0
        """Requests of clients without an outcome."""
        self.n_running = 0
        self._lives = [-1] * len(terrain.nodes)

    @property
    def is_quiet(self) -> bool:
        """Tell whether nobody waits for an answer and nothing runs."""
        return not (self.n_open or self.n_running or self.inbox)

    def is_done_with(self, request: int) -> bool:
        """Tell whether no node holds or runs anything of an arrival, and nothing of it is under way."""
        is_at_work = any(
            device.desk.holds(request) or device.engine.runs_for(request) for device in self.devices.values()
        )
        return not (is_at_work or self.agenda.carries(request))

    # -- nodes -------------------------------------------------------------------------------------------------------

    def start(self, place: int) -> None:
        """Switch a device on."""
        if place in self.devices:
            return
        self.empty.discard(place)
        self.supplies[place].resume(self.now)
        self._lives[place] += 1
        self.devices[place] = Device(self, place, self._lives[place])
        self.wires.meet_all(place)
        self.watch_battery(place)

    def end(self, place: int, *, left: bool = False) -> None:
        """Switch a device off, with all it knows: whoever waits for an answer there gets none."""
        device = self.devices.get(place)
        if device is None:
            return
        device.engine.break_off()
        self.pass_time(place)
        for entry in device.desk.held.values():
            if CLIENT in entry.askers:
                self._write_end(place, entry.number, entry.arrived_s, code=PeerLost.code)
                self.n_open -= 1
        del self.devices[place]
        others = [(other, one) for other, one in self.inbox if other is not device]
        self.inbox.clear()
        self.inbox.extend(others)
        for peer in self.terrain.neighbours[place]:
            self.wires.close(place, peer, left=left)

    def arrive(self, number: int, arrival: Arrival) -> None:
        """Let a client ask. One whose device has run empty asks in vain; one whose device is away does not ask."""
        place = self.terrain.places[arrival.node_id]
        device = self.devices.get(place)
        if place in self.empty:
            self._write_end(place, number, self.now, code=BATTERY_EMPTY)
        elif device is not None and not device.is_stalled and not device.is_leaving:
            self.n_open += 1
            device.desk.arrive(arrival.request, CLIENT)

    def ended(self, place: int, entry: Held, outcome: Outcome) -> None:
        """Take in how a client's request ended."""
        self.n_open -= 1
        if isinstance(outcome, Answer):
            self._write_end(place, entry.number, entry.arrived_s, answer=outcome)
        else:
            self._write_end(place, entry.number, entry.arrived_s, code=outcome.code)

    # -- energy ------------------------------------------------------------------------------------------------------

    def pass_time(self, place: int) -> None:
        """Let a device that is on draw what it draws anyhow, up to now."""
        drawn = self.supplies[place].pass_time(self.now)
        self.costs.demanded(self.terrain.nodes[place].node_id, drawn)

    def watch_battery(self, place: int) -> None:
        """Note when a battery will be empty, if that is before the end."""
        empty_s = self.supplies[place].empty_s
        if empty_s < self.terrain.scenario.horizon_s and place in self.devices:
            self.agenda.put(max(empty_s, self.now), Empty(place=place, life=self._lives[place]))

    def charge(self, place: int, *, is_charging: bool) -> None:
        """Put a device on a charger, or take it off; one that was empty starts."""
        if place in self.devices:
            self.pass_time(place)
        self.supplies[place].is_charging = is_charging
        if place in self.empty and is_charging:
            self.start(place)
        elif place in self.devices:
            self.devices[place].body.unsettle()
            self.devices[place].look_at_vitals()
        self.watch_battery(place)

    def settle(self) -> None:
        """Write down what devices drew up to now."""
        for place in self.devices:
            self.pass_time(place)

    # -- time --------------------------------------------------------------------------------------------------------

    def perform(self, deed: Deed) -> None:
        """Let the next deed happen."""
        if isinstance(deed, Delivery):
            self.wires.deliver(deed)
            return
        device = self.devices.get(deed.place)
        if device is None or device.life != deed.life:
            return
        match deed:
            case RunEnd():
                device.run_ended(deed.run)
            case Loaded():
                device.loaded(deed)
            case Handled():
                device.desk.handled(deed.request_id)
            case Alarm():
                device.ring()
            case SessionEnd():
                device.session_ended(deed.peer, left=deed.left)
            case Empty():
                self._run_empty(deed.place)
            case Leave():
                self.end(deed.place, left=True)

    def pump(self) -> tuple[Device, Observation] | None:
        """Let happen what happens now, until a policy is to be asked or nothing is left."""
        inbox = self.inbox
        while inbox:
            device, one = inbox.popleft()
            if isinstance(one, Observation):
                return device, one
            device.take(one)
        return None

    def _run_empty(self, place: int) -> None:
        self.pass_time(place)
        if self.supplies[place].left_joules <= _EMPTY_JOULES:
            self.end(place)
            self.empty.add(place)

    def _write_end(
        self, place: int, number: int, arrived_s: float, *, answer: Answer | None = None, code: str = ""
    ) -> None:
        settings, arrival = self.terrain.settings, self.terrain.scenario.arrivals[number]
        alarm_at = self.terrain.model(arrival.request.model).alarm_at
        if answer is not None:
            hides = arrival.truth.is_missed_by(answer.tier, alarm_at)
        else:
            calls = (arrival.truth.called_by(tier, alarm_at) for tier in DeviceClass)
            hides = arrival.truth.is_anomaly and any(calls)
        seconds = self.now - arrived_s
        cost = seconds * settings.price_watts(arrival.request.priority) + settings.miss_price_joules * (answer is None)
        self.costs.end(
            Ended(
                at_s=self.now,
                node_id=self.terrain.nodes[place].node_id,
                request=number,
                seconds=seconds,
                cost=cost + self.terrain.scenario.missed_anomaly_joules * hides,
                tier=answer.tier if answer is not None else None,
                code=code,
                told_joules=answer.energy.joules if answer is not None else 0.0,
                hides_anomaly=hides,
                is_degraded=answer is not None and answer.degraded,
            )
        )
