"""Sessions between nodes, and how long what is sent over them is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.simulator.agenda import Delivery, SessionEnd
from policies.simulator.costs import NOBODY
from policies.simulator.mail import Asked, Mail, Met, Told, Withdrawn

if TYPE_CHECKING:
    from policies.simulator.world import World

_LEAST_BYTES = 1.0
"""A word without tensors passes in no time, and not over a link that is lost."""
_KINDS = {Met: 0, Asked: 1, Told: 2, Withdrawn: 3}


class Wires:
    """In each direction bytes go one after the other, and words arrive in the order in which they were sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[tuple[int, int], int] = {}
        self._n_opened = 0
        self._parted: set[tuple[int, int]] = set()
        self._free_s: dict[tuple[int, int], float] = {}
        """When the last byte under way will have left."""
        self._came_s: dict[tuple[int, int], float] = {}
        """When the last word under way will have come."""

    def session(self, a: int, b: int) -> int | None:
        """Return the number of the session between two nodes; none without one."""
        return self._sessions.get((a, b) if a < b else (b, a))

    def peers(self, place: int) -> list[int]:
        """Return who is in session with a node."""
        return [other for other in self._world.terrain.neighbours[place] if self.session(place, other) is not None]

    def meet_all(self, place: int) -> None:
        """Open the sessions of a node with all who are there and in reach."""
        for other in self._world.terrain.neighbours[place]:
            if other in self._world.devices and other != place:
                self.open(place, other)

    def open(self, a: int, b: int) -> None:
        """Open a session, unless there is one or something parts them; both sides learn of it one way later."""
        pair = (a, b) if a < b else (b, a)
        if pair in self._sessions or pair in self._parted or not {a, b} <= self._world.devices.keys():
            return
        self._n_opened += 1
        self._sessions[pair] = self._n_opened
        for sender, receiver in ((a, b), (b, a)):
            mind = self._world.devices[sender].mind
            met = Met(profile=mind.profile, telemetry=mind.broad_telemetry())
            self.post(sender, receiver, met, 0.0, NOBODY)

    def close(self, a: int, b: int, *, left: bool = False) -> None:
        """End a session; what is under way on it is lost, and both sides learn of it one way later."""
        pair = (a, b) if a < b else (b, a)
        if self._sessions.pop(pair, None) is None:
            return
        for place, peer in ((a, b), (b, a)):
            self._free_s.pop((place, peer), None)
            self._came_s.pop((place, peer), None)
            if (device := self._world.devices.get(place)) is not None:
                end = SessionEnd(place=place, life=device.life, peer=peer, left=left)
                self._world.agenda.put(self._world.now + self._world.terrain.ways[peer, place].delay_s, end)

    def part(self, a: int, b: int) -> None:
        """Take two nodes out of each other's reach."""
        self._parted.add((a, b) if a < b else (b, a))
        self.close(a, b)

    def rejoin(self, a: int, b: int) -> None:
        """Bring two nodes into reach again."""
        self._parted.discard((a, b) if a < b else (b, a))
        self.open(a, b)

    def flushed_s(self, place: int) -> float:
        """Return when all that a node has sent will have come."""
        under_way = (came_s for (sender, _), came_s in self._came_s.items() if sender == place)
        return max(self._world.now, max(under_way, default=0.0))

    def post(
        self, sender: int, receiver: int, mail: Mail, n_bytes: float, number: int, *, codec_s: float = 0.0
    ) -> bool:
        """Send for an arrival of this number; False where there is no session."""
        session = self.session(sender, receiver)
        if session is None:
            return False
        world, route = self._world, (sender, receiver)
        device, way = world.devices[sender], world.terrain.ways[route]
        ready_s = world.now + codec_s
        if number != NOBODY:
            ready_s += device.body.wake_radio(number)
        left_s = way.bandwidth.sent_s(max(ready_s, self._free_s.get(route, 0.0)), max(n_bytes, _LEAST_BYTES))
        self._free_s[route] = left_s
        if number != NOBODY:
            device.body.moved(n_bytes, number, last_byte_s=left_s)
        delay_s = way.delay_s
        if way.jitter:
            delay_s *= world.terrain.luck.lognormal(way.jitter, way.salt, number * len(_KINDS) + _KINDS[type(mail)])
        came_s = self._came_s[route] = max(left_s + delay_s, self._came_s.get(route, 0.0))
        delivery = Delivery(
            sender=sender, receiver=receiver, session=session, mail=mail, n_bytes=n_bytes, request=number
        )
        world.agenda.put(came_s, delivery)
        return True

    def deliver(self, delivery: Delivery) -> None:
        """Hand mail to its receiver, unless the session has ended meanwhile."""
        if self.session(delivery.sender, delivery.receiver) == delivery.session:
            self._world.devices[delivery.receiver].take_delivery(delivery)
