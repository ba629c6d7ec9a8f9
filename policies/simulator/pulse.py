"""Heartbeats, made when somebody needs to know what they said.

Every node beats once in an interval, and each beat would reach every peer: among n nodes n * n events, nearly all of
which are overwritten by the next before anybody looks. So a beat is looked up when something happens to a node that has
it: the last one that each peer sent and that has come, with what the peer would have said then. That is known without
having been made, for a peer to which nothing has happened since still is as it was. And a round, in which a scheduler
beats and looks for silence, is made where somebody may be found silent.

What is the same as with every round made, and tested to be: what is known at every event, how old it is, whose silence
is noticed, and when. What differs: only beats that are listened to are samples of the round trip, which is the same for
all of them here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import heappop, heappush
from math import ceil, floor, inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from meshd.core.events import TimePassed
from meshd.core.node import Telemetry
from meshd.core.probing import STEPS_BYTES, choose_probe
from policies.simulator.terrain import Way

if TYPE_CHECKING:
    from policies.simulator.device import Device
    from policies.simulator.world import World

_MOST_SAID = 4
"""Beats of one node that may still be under way to somebody."""

_KNOWN = 1e-6
"""A round trip that differs by a smaller share from what is believed teaches nothing."""


class Pulse:
    """What one node says at its beats, and which beats of others it has heard."""

    def __init__(self, world: World, device: Device, first_s: float) -> None:
        self._world = world
        self._device = device
        self._first_s = first_s
        self._interval_s = world.terrain.settings.heartbeat_interval_s
        self._suspect_after_s = world.terrain.settings.suspect_after_s
        self._said: deque[tuple[float, Telemetry]] = deque(maxlen=_MOST_SAID)
        self._said_s = -inf
        self._as_of = -1
        """How many events the device had taken in when it said something last."""
        self._round_s = first_s - self._interval_s
        """The last moment at which a round was made, or passed over."""
        self._heard_s: dict[int, float] = {}
        """When each peer in session sent the last word that has come."""
        self._oldest_s = inf
        self._due: list[tuple[float, int]] = []
        """When to listen to whom, the soonest first; what :attr:`_due_s` does not say any more is outdated."""
        self._due_s: dict[int, float] = {}

    def met(self, peer: int, sent_s: float) -> None:
        """Take in that a session is open, with what the peer said of itself.

        What a daemon finds out of the link by the bytes behind its first heartbeats is found out at once.
        """
        self._heard_s[peer] = sent_s
        self._oldest_s = min(self._oldest_s, sent_s)
        self._listen_to(peer, self._world.now)
        terrain, now, view = self._world.terrain, self._world.now, self._device.view
        node_id, way = terrain.nodes[peer].node_id, terrain.ways[self._device.place, peer]
        view.learn_rtt(node_id, way.rtt_s, now)
        known, link = view.peer(node_id), view.link_to(node_id)
        for _ in STEPS_BYTES if terrain.links_are_probed else ():
            if known is None or (probed := choose_probe(view.own, (known,), now)) is None:
                break
            rtt_s = way.bandwidth.sent_s(now, probed[1]) - now + way.rtt_s
            link.probed_s = now  # What was measured counts only behind a probe; and the next step is not put off.
            view.learn_rtt(node_id, rtt_s, now, probe_bytes=probed[1])
            link.probed_s = -inf

    def parted(self, peer: int) -> None:
        """Take in that a session is over."""
        self._heard_s.pop(peer, None)
        self._due_s.pop(peer, None)
        self._oldest_s = min(self._heard_s.values(), default=inf)

    def tell(self, at_s: float, telemetry: Telemetry) -> None:
        """Say something at a beat."""
        if at_s <= self._said_s:
            self._said.pop()
        self._said.append((at_s, telemetry))
        self._said_s, self._as_of = at_s, self._device.n_taken

    def announce(self, telemetry: Telemetry) -> None:
        """Say what the scheduler wants said at a round that it made."""
        self.tell(self._beat_before(self._world.now), telemetry)

    def said_by(self, at_s: float) -> tuple[float, Telemetry] | None:
        """Return the last beat at or before a time; none where that is too long ago to be known."""
        device = self._device
        at_s = min(at_s, device.stalled_s)
        beat_s = self._beat_before(at_s)
        if beat_s > self._said_s:
            if not device.is_watchful and not self._is_unchanged(beat_s):
                device.mind.skip_rounds(0, next_s=beat_s + self._interval_s)  # They are looked at in catch_up.
            device.sample(beat_s)
            self._say(beat_s)
        for said in reversed(self._said):
            if said[0] <= at_s:
                return said
        return None

    def next_after(self, at_s: float) -> float:
        """Return when the first beat behind a time is due."""
        return self._first_s if at_s < self._first_s else self._beat_before(at_s) + self._interval_s

    def catch_up(self, now: float) -> None:
        """Take in and say what there was to hear and to say up to now, before something happens to the node."""
        if self._due and now >= self._due[0][0]:
            self._listen(now)
        if now < self._round_s + self._interval_s:
            return
        beat_s, device = self._beat_before(now), self._device
        n_rounds = round((beat_s - self._round_s) / self._interval_s)
        self._round_s = beat_s
        if beat_s - self._oldest_s >= self._suspect_after_s or self._world.makes_all_rounds:
            device.mind.skip_rounds(n_rounds - 1, next_s=beat_s)
            device.sample(beat_s)
            device.take_in(TimePassed(), beat_s)
            return
        device.mind.skip_rounds(n_rounds, next_s=self._first_doubt_s(beat_s))
        device.view.forget(beat_s)
        device.sample(beat_s)
        self._say(beat_s)

    def thawed(self, now: float) -> None:
        """Take in that the scheduler made its first round after a freeze, late, and makes the next in time."""
        self._round_s = self._beat_before(now)
        self._device.mind.skip_rounds(0, next_s=self._round_s + self._interval_s)

    def _first_doubt_s(self, beat_s: float) -> float:
        """Return the first round behind a beat that may find somebody silent, if nothing more is heard."""
        if self._oldest_s == inf:
            return inf
        n_rounds = max(1, ceil((self._oldest_s + self._suspect_after_s - beat_s) / self._interval_s))
        return beat_s + n_rounds * self._interval_s

    def _is_unchanged(self, beat_s: float) -> bool:
        """Tell whether a beat says what the one before it did."""
        device = self._device
        if self._as_of != device.n_taken or beat_s >= device.body.steady_until_s:
            return False
        return not self._said[-1][1].radio_awake

    def _say(self, beat_s: float) -> None:
        """Say what a beat says, unless that is known."""
        if beat_s <= self._said_s:
            return
        if self._is_unchanged(beat_s):
            telemetry = self._said[-1][1]
        else:
            mind = self._device.mind
            telemetry = replace(mind.broad_telemetry(), radio_awake=not self._device.view.radio.wakes(beat_s))
        self.tell(beat_s, telemetry)

    def _beat_before(self, at_s: float) -> float:
        if at_s < self._first_s:
            return -inf
        return self._first_s + floor((at_s - self._first_s) / self._interval_s) * self._interval_s

    def _listen(self, now: float) -> None:
        """Hear the last beats of peers that have come and were not heard yet."""
        place, ways, devices, due = self._device.place, self._world.terrain.ways, self._world.devices, self._due
        while due and due[0][0] <= now:
            due_s, peer = heappop(due)
            other = devices.get(peer)
            if other is None or self._due_s.get(peer) != due_s:
                continue
            way = ways[peer, place]
            left_s, next_s = now - way.delay_s, other.pulse.next_after(now - way.delay_s)
            if way.may_be_lost:
                left_s, back_s = _lost(way, left_s)
                next_s = min(next_s, back_s)
            said = other.pulse.said_by(left_s)
            if said is not None and said[0] > self._heard_s[peer]:
                self._heard_s[peer] = said[0]
                self._hear(other, said[1], said[0] + way.delay_s, way.rtt_s)
            self._listen_to(peer, next_s + way.delay_s)
        self._oldest_s = min(self._heard_s.values(), default=inf)

    def _listen_to(self, peer: int, at_s: float) -> None:
        self._due_s[peer] = at_s
        heappush(self._due, (at_s, peer))

    def _hear(self, other: Device, telemetry: Telemetry, at_s: float, rtt_s: float) -> None:
        """Tell the view what a heartbeat tells it; an event of the core does no more while nothing else is due."""
        node_id, view = other.node_id, self._device.view
        if abs(view.link_to(node_id).rtt_s.mean - rtt_s) > _KNOWN * rtt_s:
            view.learn_rtt(node_id, rtt_s, at_s)
        view.heard(node_id, telemetry, at_s)


def _lost(way: Way, at_s: float) -> tuple[float, float]:
    """Return before when a beat must have been sent to have left by then, and when the next may leave at the soonest.

    What is sent while a link is lost waits until it is back.
    """
    starts_s, rates_bps = way.bandwidth.starts_s, way.bandwidth.rates_bps
    piece = bisect_right(starts_s, max(at_s, 0.0)) - 1
    if rates_bps[piece] > 0.0:
        return at_s, inf
    last = first = piece
    while first > 0 and rates_bps[first - 1] <= 0.0:
        first -= 1
    while rates_bps[last] <= 0.0:
        last += 1
    return starts_s[first], starts_s[last]
