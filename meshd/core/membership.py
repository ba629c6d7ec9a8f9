"""Which nodes are alive, from heartbeats and closed sessions; suspicion before death, and doubt in oneself first.

A node that stalled (a suspended laptop, a watch in deep sleep) finds on waking that it has heard nobody. It is the one
to distrust: the time it was away is not counted against its peers, and its timeouts stretch for a while.

Source: local health multiplier of Lifeguard (Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for More
Accurate Failure Detection", 2018), with one observer instead of gossip, for every node has a session to every other.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import NodeId
from meshd.core.settings import Settings

_WORST_AWARENESS = 8
"""Timeouts stretch at most nine-fold, as in Lifeguard."""


class Standing(StrEnum):
    """What this node believes of a peer."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "left"


class Member(Struct, kw_only=True):
    """One peer as this node sees it."""

    incarnation: int
    standing: Standing
    heard_s: float
    connected: bool


class Change(Struct, frozen=True, kw_only=True):
    """A peer's standing became another."""

    node_id: NodeId
    standing: Standing


class Membership:
    """All peers ever met, bounded, with their standing."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._members: dict[NodeId, Member] = {}
        self.usable: set[NodeId] = set()
        """Who may be sent work: alive and in session."""
        self.version = 0
        """Grows with every change of a standing or a session."""
        self._awareness = 0
        self._check_s = now + settings.heartbeat_interval_s

    def __contains__(self, node_id: NodeId) -> bool:
        """Tell whether the peer was ever met and is not forgotten."""
        return node_id in self._members

    def __getitem__(self, node_id: NodeId) -> Member:
        """Return a peer's record; KeyError if it was never met."""
        return self._members[node_id]

    @property
    def next_check_s(self) -> float:
        """Return when silence has to be looked at again."""
        return self._check_s

    def is_usable(self, node_id: NodeId) -> bool:
        """Tell whether work may be sent there: alive and in session."""
        return node_id in self.usable

    def connected(self, node_id: NodeId, incarnation: int, now: float) -> list[Change]:
        """Note a session; the newest incarnation counts, an older one is ignored, and so is one peer too many."""
        member = self._members.get(node_id)
        if member is not None and incarnation < member.incarnation:
            return []
        if member is None and not self._make_room():
            return []
        changed = member is None or member.standing is not Standing.ALIVE
        self._members[node_id] = Member(incarnation=incarnation, standing=Standing.ALIVE, heard_s=now, connected=True)
        self.usable.add(node_id)
        self.version += 1
        return [Change(node_id=node_id, standing=Standing.ALIVE)] if changed else []

    def heard(self, node_id: NodeId, now: float) -> list[Change]:
        """Note a life sign; a suspect comes back, a node without a session does not."""
        member = self._members.get(node_id)
        if member is None or not member.connected:
            return []
        member.heard_s = now
        return self._become(node_id, Standing.ALIVE)

    def disconnected(self, node_id: NodeId, *, left: bool) -> list[Change]:
        """Note the end of a session: on purpose, or suspiciously."""
        if node_id not in self._members:
            return []
        member = self._members[node_id]
        member.connected = False
        self.usable.discard(node_id)
        self.version += 1
        if left:
            return self._become(node_id, Standing.LEFT)
        return self._become(node_id, Standing.SUSPECT) if member.standing is Standing.ALIVE else []

    def check(self, now: float) -> list[Change]:
        """Look for silence; call it at :attr:`next_check_s`, later is noticed and forgiven."""
        self._judge_self(now)
        self._check_s = now + self._settings.heartbeat_interval_s
        changes: list[Change] = []
        for node_id, member in self._members.items():
            if member.standing in (Standing.ALIVE, Standing.SUSPECT):
                changes += self._become(node_id, self._standing_after(now - member.heard_s, member))
        return changes

    def _judge_self(self, now: float) -> None:
        late_s = now - self._check_s
        if late_s > self._settings.heartbeat_interval_s:
            self._awareness = min(self._awareness + 1, _WORST_AWARENESS)
            for member in self._members.values():
                member.heard_s = min(now, member.heard_s + late_s)
        else:
            self._awareness = max(self._awareness - 1, 0)

    def _standing_after(self, silence_s: float, member: Member) -> Standing:
        stretch = 1 + self._awareness
        if silence_s >= self._settings.dead_after_s * stretch:
            return Standing.DEAD
        if silence_s >= self._settings.suspect_after_s * stretch or not member.connected:
            return Standing.SUSPECT
        return Standing.ALIVE

    def _become(self, node_id: NodeId, standing: Standing) -> list[Change]:
        member = self._members[node_id]
        if member.standing is standing:
            return []
        member.standing = standing
        self.version += 1
        if standing is Standing.ALIVE and member.connected:
            self.usable.add(node_id)
        else:
            self.usable.discard(node_id)
        return [Change(node_id=node_id, standing=standing)]

    def _make_room(self) -> bool:
        """Forget the longest silent peer if there are too many; those in session stay, for work may be out there."""
        if len(self._members) < self._settings.max_nodes:
            return True
        gone = [node_id for node_id, member in self._members.items() if not member.connected]
        if gone:
            del self._members[min(gone, key=lambda node_id: self._members[node_id].heard_s)]
        return bool(gone)
