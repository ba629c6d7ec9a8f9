"""One node: a real scheduler, and all that a daemon and its device do around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from meshd.core import commands, events
from meshd.core.candidate import Observation
from meshd.core.node import NodeProfile
from policies.scenario import Kind
from policies.simulator.agenda import Alarm, Delivery, Leave, Loaded
from policies.simulator.body import Body
from policies.simulator.desk import Desk
from policies.simulator.engine import Engine
from policies.simulator.mail import Asked, Met, Told
from policies.simulator.mind import Mind
from policies.simulator.pulse import Pulse

if TYPE_CHECKING:
    from policies.simulator.world import World


class Device:
    """One life of a node, from its start until it leaves or dies."""

    def __init__(self, world: World, place: int, life: int) -> None:
        node = world.terrain.nodes[place]
        self.place = place
        self.node_id = node.node_id
        self.life = life
        self.profile: NodeProfile = replace(node.profile, incarnation=node.profile.incarnation + life)
        self.stalled_s = inf
        """Since when it hears and says nothing."""
        self.is_leaving = False
        self._world = world
        self.body = Body(world, place)
        self.mind = Mind(self.profile, world.terrain.settings, world.now)
        self.view = self.mind.view
        first_s = world.now + world.terrain.phase_s(place)
        self.pulse: Pulse = Pulse(world, self, first_s)
        self.engine: Engine = Engine(world, self)
        self.desk: Desk = Desk(world, self)
        self._frozen: list[Delivery | events.Event] = []
        self._alarm_s = inf
        self._vitals: events.HostChanged | None = None
        self.n_taken = 0
        """Events that its scheduler has taken in."""
        self.mind.skip_rounds(0, next_s=first_s)
        self.sample(world.now)

    @property
    def is_watchful(self) -> bool:
        """Tell whether its scheduler has something to look after, and is woken for it in time."""
        return self.mind.alive_requests > 0 or self._world.makes_all_rounds

    @property
    def is_stalled(self) -> bool:
        """Tell whether it is frozen."""
        return self.stalled_s < inf

    # -- events ------------------------------------------------------------------------------------------------------

    def feed(self, event: events.Event) -> None:
        """Let something happen to it, behind what already waits to."""
        self._world.inbox.append((self, event))

    def take(self, event: events.Event) -> None:
        """Take in what happens now, and do what the scheduler commands."""
        if self.stalled_s < inf:
            self._frozen.append(event)
            return
        now = self._world.now
        self.pulse.catch_up(now)
        self.take_in(event, now)
        if self.is_watchful:
            self._set_alarm()
        if self.is_leaving and not self.mind.alive_requests:
            self._world.agenda.put(self._world.wires.flushed_s(self.place), Leave(place=self.place, life=self.life))

    def take_in(self, event: events.Event, at_s: float) -> None:
        """Give an event to the scheduler and do what it commands."""
        self.n_taken += 1
        for command in self.mind.handle(event, at_s):
            _HANDS[type(command)](self, command)
        self.mind.learn()

    def ask(self, observation: Observation) -> None:
        """Have a policy asked, in turn."""
        self._world.inbox.append((self, observation))

    def sample(self, at_s: float) -> None:
        """Tell the scheduler how the device is, where that has changed."""
        vitals = self.body.vitals(at_s)
        if vitals is not self._vitals:
            self._vitals = vitals
            self.take_in(vitals, at_s)

    def ring(self) -> None:
        """Wake the scheduler, if it still has anything to look after."""
        self._alarm_s = inf
        if self.is_watchful and not self.is_stalled:
            self.feed(events.TimePassed())

    def look_at_vitals(self) -> None:
        """Have the next sample taken in time: something waits for what it says."""
        if self.is_watchful:
            at_s = self.pulse.next_after(self._world.now)
            self._world.agenda.put(at_s, Alarm(place=self.place, life=self.life))

    def run_ended(self, number: int) -> None:
        """Take in that a run is done."""
        self._catch_up()
        self._world.n_running -= 1
        ended = self.engine.ended(number, self.desk.held)
        if ended[0].load_s and not self.is_stalled:
            self.sample(self._world.now)  # What was loaded has made another one leave, perhaps.
        for finished in ended:
            self.feed(self.engine.told(finished))

    def loaded(self, loaded: Loaded) -> None:
        """Take in that a model was loaded beside the slots."""
        self._catch_up()
        self.engine.loaded(loaded)
        if not self.is_stalled:
            self.sample(self._world.now)

    def session_ended(self, peer: int, *, left: bool) -> None:
        """Drop what only a peer that is gone waited for."""
        self.pulse.parted(peer)
        self.desk.withdraw_all(peer)
        node_id = self._world.terrain.nodes[peer].node_id
        self.feed(events.PeerDisconnected(node_id=node_id, left=left, reason="the scenario ended it"))

    def _catch_up(self) -> None:
        if not self.is_stalled:
            self.pulse.catch_up(self._world.now)

    def _set_alarm(self) -> None:
        due_s = max(self.mind.next_deadline(), self._world.now)
        if due_s < self._alarm_s:
            self._alarm_s = due_s
            self._world.agenda.put(due_s, Alarm(place=self.place, life=self.life))

    # -- what befalls it ---------------------------------------------------------------------------------------------

    def befall(self, kind: Kind, factor: float) -> None:
        """Take in what befalls only devices that are on."""
        match kind:
            case Kind.STALLS:
                self.stalled_s = self._world.now  # As SIGSTOP or deep sleep would have it.
            case Kind.RESUMES if self.is_stalled:
                self.thaw()
            case Kind.SLOWS:
                self.engine.slowed_by = factor
            case Kind.LEAVES:
                self.is_leaving = True
                self.feed(events.DrainRequested())

    def thaw(self) -> None:
        """Go on after a freeze: first the clock is looked at, then all that came meanwhile is taken in."""
        self.stalled_s = inf
        self.take_in(events.TimePassed(), self._world.now)
        self.pulse.thawed(self._world.now)
        frozen, self._frozen = self._frozen, []
        for one in frozen:
            if isinstance(one, Delivery):
                self._world.wires.deliver(one)
            else:
                self.feed(one)
        self.feed(events.TimePassed())

    # -- mail --------------------------------------------------------------------------------------------------------

    def take_delivery(self, delivery: Delivery) -> None:
        """Take in mail, once the radio is awake for it."""
        if self.is_stalled:
            self._frozen.append(delivery)
            return
        mail, body = delivery.mail, self.body
        self.pulse.catch_up(self._world.now)
        if isinstance(mail, Met):
            self.take(events.PeerConnected(profile=mail.profile, telemetry=mail.telemetry))
            self.pulse.met(delivery.sender, self._world.now)
            return
        if not delivery.is_awake and (wake_s := body.wake_radio(delivery.request)):
            self._world.agenda.put(self._world.now + wake_s, replace(delivery, is_awake=True))
            return
        body.moved(delivery.n_bytes, delivery.request, last_byte_s=self._world.now)
        if isinstance(mail, Asked):
            body.compute(mail.decode_s, delivery.request)
            self.desk.arrive(mail.request, delivery.sender)
        elif isinstance(mail, Told):
            self.desk.hear(mail, delivery.sender)
        else:
            self.desk.withdraw(mail.request_id, delivery.sender)


_HANDS: Mapping[type[commands.Command], Callable[[Device, Any], object]] = {
    commands.ChoosePlan: lambda device, command: device.ask(command.observation),
    commands.RunStage: lambda device, command: device.engine.run(command, device.desk.held),
    commands.RunBatch: lambda device, command: device.engine.run_together(command, device.desk.held),
    commands.WarmUp: lambda device, command: device.engine.warm_up(command.tier),
    commands.Dispatch: lambda device, command: device.desk.dispatch(command),
    commands.Recall: lambda device, command: device.desk.recall(command),
    commands.Fork: lambda device, command: device.desk.fork(command),
    commands.Finish: lambda device, command: device.desk.finish(command),
    commands.Announce: lambda device, command: device.pulse.announce(command.telemetry),
    commands.DropStage: lambda _device, _command: None,  # A stage cannot be stopped; its end is told all the same.
    commands.StandingChanged: lambda _device, _command: None,  # Nobody here asks who is alive.
}
