"""The state machine of one node: events in, commands out.

Rules of this file:

- time is an argument; the same events at the same times give the same commands, bit for bit;
- every RequestArrived is followed by exactly one Finish, by the deadline at the latest;
- hard rules mask candidates in the planner; whatever a policy answers, a masked one is never run.

The caller keeps request ids unique among the requests that are alive.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from meshd.core import events
from meshd.core.commands import Announce, Command, StandingChanged
from meshd.core.conductor import Conductor
from meshd.core.explanation import Explanations
from meshd.core.link_report import link_report
from meshd.core.membership import Change, Standing
from meshd.core.mesh_view import MeshView
from meshd.core.node import NodeProfile, Telemetry
from meshd.core.node_view import short
from meshd.core.probing import choose_probe
from meshd.core.refusal import failure
from meshd.core.run_queue import RunQueue
from meshd.core.settings import Settings
from meshd.errors import Draining, PeerLost


class Scheduler:
    """Decides for one node; see the module's rules."""

    def __init__(self, profile: NodeProfile, settings: Settings, now: float) -> None:
        self._view = MeshView(profile, settings, now)
        self._settings = settings
        self._queue = RunQueue(
            profile.slots, settings.max_queued, most_members=settings.max_batch, latency_s=settings.batch_latency_s
        )
        self._commands: list[Command] = []
        self._conductor = Conductor(self._view, settings, self._queue, self._commands)
        self.lessons = self._conductor.reports.lessons
        """What :meth:`learn` would take in."""
        self._beat_s = self._round_s = now
        """When a heartbeat is due, and when that or a look for silence is."""
        self._now = now

    @property
    def view(self) -> MeshView:
        """Return what this node knows, with what the latest event has taught."""
        self.learn()
        return self._view

    @property
    def profile(self) -> NodeProfile:
        """Return who this node is and what it can do now."""
        return self._view.own.profile

    @property
    def alive_requests(self) -> int:
        """Return how many requests have no outcome yet."""
        return self._conductor.alive

    @property
    def explanations(self) -> Explanations:
        """Return the stories of the last requests."""
        return self._conductor.explanations

    def telemetry(self) -> Telemetry:
        """Return a fresh sample of this node's state, to be sent along with whatever leaves."""
        return replace(
            self._view.own.telemetry,
            queued=self._queue.queued,
            running=self._queue.running,
            backlog_s=self._queue.backlog_s(),
            radio_awake=not self._view.radio.wakes(self._now),
        )

    def broad_telemetry(self) -> Telemetry:
        """Return :meth:`telemetry` with what is too long to go along with every answer: links and stages in memory."""
        links = link_report(self._view.usable_peers())
        return replace(self.telemetry(), links=links, warm_stages=self._view.own.warm_report())

    def next_deadline(self) -> float:
        """Return when TimePassed is due if nothing else happens."""
        return min(self._round_s, self._conductor.timers.next_s)

    def handle(self, event: events.Event, now: float) -> list[Command]:
        """Take in what happened by ``now`` (seconds of any steady clock) and return what to do about it."""
        self._now = now
        if self.lessons:
            self.learn()
        self._take_in(event, now)
        if now >= self._round_s:
            self._make_round(now)
        if now >= self._conductor.timers.first_s:
            self._conductor.wake(now)
        self._conductor.go_on(now)
        commands = self._commands.copy()
        self._commands.clear()
        return commands

    def learn(self) -> None:
        """Take in what the latest event has taught: best once its commands are performed, for nobody waits for this.

        The next event finds it taken in either way, so it makes no difference to any command.

        Raises:
            Exception: what a lesson raised, once the others are taken in too; none is left to cost the next event.
        """
        try:
            while self.lessons:
                self.lessons.pop(0)()
        finally:
            if self.lessons:
                self.learn()

    def give_up(self, event: events.Event, now: float) -> list[Command]:
        """Return what to do instead, after :meth:`handle` raised: the request that it raised at ends, the others go on.

        What was decided before the defect holds, so it is among the commands; time has to pass soon after this.
        """
        of_request = event.request if isinstance(event, events.RequestArrived) else event
        self._conductor.give_up(getattr(of_request, "request_id", None), now)
        commands = self._commands.copy()
        self._commands.clear()
        return commands

    def _take_in(self, event: events.Event, now: float) -> None:  # noqa: C901, PLR0912 - one case per event is the table
        conductor = self._conductor
        match event:  # What happens most comes first: each case that does not match costs a tenth of a microsecond.
            case events.RequestArrived():
                conductor.arrive(event.request, now)
            case events.StageFinished():
                conductor.reports.stage_finished(event, now)
            case events.PlanChosen():
                conductor.plan(event, now)
            case events.TimePassed():
                pass
            case events.PeerAnswered():
                self._tell(self._view.heard(event.node_id, event.telemetry, now))
                conductor.reports.peer_answered(event, now)
            case events.PeerHeard():
                self._view.learn_rtt(event.node_id, event.rtt_s, now, probe_bytes=event.probe_bytes)
                self._tell(self._view.heard(event.node_id, event.telemetry, now))
            case events.StageFailed():
                conductor.reports.stage_failed(event, now)
            case events.PeerRefused():
                self._tell(self._view.heard(event.node_id, event.telemetry, now))
                conductor.reports.peer_refused(event, now)
            case events.WarmedUp():
                self._view.learn_load(event.tier, 0, len(event.tier.stages), event.load_s, now)
            case events.RequestCancelled():
                conductor.cancel(event.request_id, now)
            case events.PeerConnected():
                self._connected(event, now)
            case events.PeerDisconnected():
                self._disconnected(event, now)
            case events.HostChanged():
                self._view.sampled(event)
            case events.ModelsChanged():
                self._view.models_changed(event.hosted)
            case events.CommandFailed():
                conductor.command_failed(event, now)
            case events.DrainRequested():
                conductor.drain()
            case _:
                assert_never(event)

    def _connected(self, met: events.PeerConnected, now: float) -> None:
        is_reborn = self._view.is_reborn(met.profile)
        self._tell(self._view.connected(met.profile, met.telemetry, now))
        if is_reborn:
            self._conductor.reports.peer_lost(met.profile.node_id, failure(PeerLost, "it started anew"), now)

    def _disconnected(self, gone: events.PeerDisconnected, now: float) -> None:
        self._tell(self._view.membership.disconnected(gone.node_id, left=gone.left))
        code = Draining if gone.left else PeerLost  # A peer that says goodbye did not die of what it held.
        peer = self._view.peer(gone.node_id)
        ended = f"the session to {peer.profile.name if peer else short(gone.node_id)} ended: {gone.reason}"
        self._conductor.reports.peer_lost(gone.node_id, failure(code, ended), now)

    def _look_for_silence(self, now: float) -> None:
        changes = self._view.membership.check(now)
        self._tell(changes)
        for change in changes:
            if change.standing is not Standing.ALIVE:
                silent = f"it became {change.standing} while it had the request"
                self._conductor.reports.peer_lost(change.node_id, failure(PeerLost, silent), now)

    def _tell(self, changes: list[Change]) -> None:
        self._commands += [StandingChanged(node_id=change.node_id, standing=change.standing) for change in changes]

    def _announcement(self, now: float) -> Announce:
        """Return a heartbeat for all, and bytes for one whose link nothing large has passed."""
        told, peers = self.broad_telemetry(), self._view.usable_peers()
        chosen = choose_probe(self._view.own, peers, now) if self._settings.probe_links else None
        if chosen is None:
            return Announce(telemetry=told)
        peer, n_bytes = chosen
        self._view.link_to(peer.profile.node_id).probed_s = now
        return Announce(telemetry=told, probed=peer.profile.node_id, probe_bytes=n_bytes)

    def _make_round(self, now: float) -> None:
        """Look for silence and send a heartbeat, whichever is due."""
        if now >= self._view.membership.next_check_s:
            self._look_for_silence(now)
        if now >= self._beat_s:
            self._beat_s = now + self._settings.heartbeat_interval_s
            self._view.forget(now)
            self._commands.append(self._announcement(now))
        self._round_s = min(self._beat_s, self._view.membership.next_check_s)
