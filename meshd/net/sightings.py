"""What has been seen of nodes besides their sessions: announcements, names, and strangers at the door."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from meshd import log
from meshd.core.ids import NodeId
from meshd.errors import LinkError
from meshd.net.advert import Advert
from meshd.net.link import LinkState, PeerLink
from meshd.net.trust import Pin
from meshd.wire.messages import Hello

MAX_KEPT = 64
"""Of each sort; the oldest goes first. Anybody on the network can make us see things."""


@dataclass(frozen=True, slots=True)
class _Stranger:
    node_id: NodeId | None
    host: str
    error: LinkError
    seen_s: float


def how_to_pair(node_id: NodeId) -> str:
    """Say what to do about a node that is here and not trusted: the first thing people ask of such a system."""
    return f"seen but not paired: run `meshd trust add {node_id}` here, and the same there with this node's id"


class Sightings:
    """Remembers, within bounds, who was seen and what is known of them."""

    def __init__(self) -> None:
        self.adverts: dict[NodeId, Advert] = {}
        self.hellos: dict[NodeId, Hello] = {}
        """The latest hello of each peer that has ever had a session; as many as there are pins."""
        self._strangers: dict[str, _Stranger] = {}
        self._first_seen_s: dict[NodeId, float] = {}

    def note_advert(self, advert: Advert, *, trusted: bool) -> None:
        """Keep an announcement, and log it when it says something new."""
        news = self.adverts.pop(advert.node_id, None) != advert
        self.adverts[advert.node_id] = advert
        self._first_seen_s.setdefault(advert.node_id, monotonic())
        if len(self.adverts) > MAX_KEPT:
            self.forget_advert(next(iter(self.adverts)))
        if news:
            fields = {"node_id": advert.node_id, "addresses": advert.addresses, "port": advert.port, "paired": trusted}
            hint = {} if trusted else {"hint": how_to_pair(advert.node_id)}
            log.get_logger().info(log.PEER_DISCOVERED, **fields, **hint)

    def forget_advert(self, node_id: NodeId) -> None:
        """Forget an announcement that no longer holds."""
        self.adverts.pop(node_id, None)
        self._first_seen_s.pop(node_id, None)

    def note_hello(self, node_id: NodeId, hello: Hello) -> None:
        """Keep what a peer says it is called."""
        self.hellos[node_id] = hello

    def note_stranger(self, node_id: NodeId | None, host: str, error: LinkError) -> None:
        """Keep who came to the door and was not let in; log each once."""
        key = node_id or host
        if self._strangers.pop(key, None) is None:
            log.get_logger().warning(
                log.PEER_REFUSED, address=host, node_id=node_id, code=error.code, reason=str(error)
            )
        self._strangers[key] = _Stranger(node_id, host, error, monotonic())
        if len(self._strangers) > MAX_KEPT:
            del self._strangers[next(iter(self._strangers))]

    def forget_stranger(self, node_id: NodeId) -> None:
        """Forget a stranger that is none any more."""
        self._strangers.pop(node_id, None)

    def describe(self, node_id: NodeId, pin: Pin | None) -> PeerLink:
        """Describe a node by what was seen and what the owner noted; whoever holds a session puts that on top."""
        advert, hello = self.adverts.get(node_id), self.hellos.get(node_id)
        classes = (source.device_class for source in (hello, advert, pin) if source)
        now_s = monotonic()
        return PeerLink(
            state=LinkState.UNPAIRED,
            node_id=node_id,
            name=hello.name if hello else (pin.name or None) if pin else None,
            device_class=next(filter(None, classes), None),
            address=str(advert.endpoints[0]) if advert else None,
            last_error=how_to_pair(node_id),
            since_s=now_s - self._first_seen_s.get(node_id, now_s),
        )

    def strangers(self, *, besides: set[NodeId]) -> list[PeerLink]:
        """Describe everybody who was not let in, except nodes that are described otherwise."""
        return [
            PeerLink(
                state=LinkState.UNPAIRED,
                node_id=stranger.node_id,
                address=stranger.host,
                last_error=how_to_pair(stranger.node_id) if stranger.node_id else str(stranger.error),
                since_s=monotonic() - stranger.seen_s,
            )
            for stranger in self._strangers.values()
            if stranger.node_id not in besides
        ]
