"""The real core in virtual time, one decision after the other.

>>> simulator = Simulator(scenario)
>>> while (choice := simulator.next_choice()) is not None:
...     simulator.choose(policy.choose(choice.observation, choice.view, choice.now))
>>> simulator.costs.cost

Every node of the scenario is a :class:`meshd.core.scheduler.Scheduler` of its own, which sees what a daemon's sees: its
own vitals as they were sampled last, what peers said last, what answers taught. Around it stands the truth: how long
runs and ways take, what is in memory, what batteries hold, what each tier would answer. As in a daemon nobody is asked
where there is only one way.

What is left out, for every policy alike: credit, discovery, frames' own bytes, the bytes and joules of heartbeats, and
that encoding takes a slot. Stages of a model are in memory with the whole of it.

The same scenario and the same choices give the same costs, bit for bit. A run's luck belongs to the request and the
node, so that two policies meet the same luck wherever they decide alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Self

from meshd.core.events import PlanChosen
from meshd.core.ids import NodeId
from policies.scenario import Arrival, Happening, Kind, Scenario
from policies.simulator.choice import Choice
from policies.simulator.copying import copy_of
from policies.simulator.costs import Costs
from policies.simulator.terrain import Terrain
from policies.simulator.world import World


class Simulator:
    """Runs one scenario, from decision to decision; see the module's rules."""

    def __init__(self, scenario: Scenario, *, replies_tell: bool = True, makes_all_rounds: bool = False) -> None:
        """Begin a scenario.

        ``replies_tell``: whether answers carry fresh telemetry, as the daemon's do; without it only heartbeats tell.
        ``makes_all_rounds``: whether nodes that have nothing to do make their rounds all the same; it costs time and
        changes nothing.
        """
        self._terrain = Terrain(scenario)
        self._world = World(self._terrain, replies_tell=replies_tell, makes_all_rounds=makes_all_rounds)
        self._asked: Choice | None = None
        self._horizon_s = scenario.horizon_s
        self._n_arrived = self._n_happened = 0
        self._arrives_s, self._happens_s = _time_of(scenario.arrivals, 0), _time_of(scenario.happenings, 0)
        for place, node in enumerate(scenario.nodes):
            if node.is_present:
                self._world.start(place)

    @property
    def scenario(self) -> Scenario:
        """Return what is run; it tells the future."""
        return self._terrain.scenario

    @property
    def now(self) -> float:
        """Return the time, seconds since the scenario began."""
        return self._world.now

    @property
    def costs(self) -> Costs:
        """Return the ledger. It goes on being written; what nodes draw anyhow is in it as of :meth:`settle`."""
        return self._world.costs

    def is_done_with(self, request: int) -> bool:
        """Tell whether an arrival that came will cost no more: nothing of it is alive, runs or is under way."""
        return self._world.is_done_with(request)

    def settle(self) -> None:
        """Write down what nodes drew anyhow up to now; at the end that is done."""
        self._world.settle()

    def next_choice(self) -> Choice | None:
        """Run until a policy is to be asked, and return what; none at the end, when all has run out."""
        world = self._world
        while self._asked is None:
            if world.inbox:
                if (waiting := world.pump()) is not None:
                    device, observation = waiting
                    self._asked = Choice(device.node_id, observation, device.view, world.now)
            elif not self._go_on():
                return None
        return self._asked

    def choose(self, index: int, policy: str = "policy") -> None:
        """Answer what :meth:`next_choice` returned last.

        Raises:
            ValueError: nothing was asked.
        """
        asked = self._asked
        if asked is None:
            raise ValueError("there is nothing to choose: ask next_choice first")
        self._asked = None
        plan = PlanChosen(
            request_id=asked.observation.request_id, decision=asked.observation.decision, index=index, policy=policy
        )
        device = self._world.devices[self._terrain.places[asked.node_id]]
        device.feed(plan)

    def copy(self) -> Self:
        """Return a simulator in the same state, which goes its own way from here."""
        self._world.costs.turn_page()
        copied: Self = copy_of(self, shared=(self._terrain,))
        return copied

    def given_joules(self) -> dict[NodeId, float]:
        """Return what batteries and sockets have given each node up to now, by node id: what the ledger sums up to."""
        self._world.settle()
        return {
            node.node_id: supply.given_joules
            for node, supply in zip(self._terrain.nodes, self._world.supplies, strict=True)
        }

    def _go_on(self) -> bool:
        """Let the next thing happen: what befalls nodes first, then what was begun, then who asks."""
        world, happens_s, arrives_s = self._world, self._happens_s, self._arrives_s
        due_s = world.agenda.next_s
        next_s = min(happens_s, arrives_s, due_s)
        if next_s >= self._horizon_s and (world.is_quiet or next_s == inf):
            world.now = max(world.now, self._horizon_s)
            world.settle()
            return False
        if happens_s <= next_s:
            world.now = happens_s
            self._befall(self.scenario.happenings[self._n_happened])
            self._n_happened += 1
            self._happens_s = _time_of(self.scenario.happenings, self._n_happened)
        elif due_s <= next_s:
            world.now, deed = world.agenda.take()
            world.perform(deed)
        else:
            world.now = arrives_s
            world.arrive(self._n_arrived, self.scenario.arrivals[self._n_arrived])
            self._n_arrived += 1
            self._arrives_s = _time_of(self.scenario.arrivals, self._n_arrived)
        return True

    def _befall(self, happening: Happening) -> None:
        world, place = self._world, self._terrain.places[happening.node_id]
        device = world.devices.get(place)
        peer = self._terrain.places[happening.peer_id] if happening.peer_id is not None else place
        match happening.kind:
            case Kind.JOINS:
                world.start(place)
            case Kind.DIES:
                world.end(place)
            case Kind.CHARGES | Kind.DISCHARGES:
                world.charge(place, is_charging=happening.kind is Kind.CHARGES)
            case Kind.PARTS:
                world.wires.part(place, peer)
            case Kind.MEETS:
                world.wires.rejoin(place, peer)
            case _ if device is not None:
                device.befall(happening.kind, happening.factor)


def _time_of(row: Sequence[Happening] | Sequence[Arrival], number: int) -> float:
    """Return when the one with this number comes; infinity behind the last."""
    return row[number].at_s if number < len(row) else inf
