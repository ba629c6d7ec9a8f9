"""What a node says of itself by mDNS. It gives an address and never trust: everybody on the network can say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import ProtocolError
from meshd.net.address import Address
from meshd.wire.messages import PROTOCOL_VERSION

_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """Who can be reached where, as announced."""

    node_id: NodeId
    device_class: DeviceClass
    incarnation: int
    addresses: tuple[str, ...]
    """Best first; a link-local IPv6 address carries its scope."""
    port: int

    @property
    def endpoints(self) -> tuple[Address, ...]:
        """Where to dial, best first."""
        return tuple(Address(host, self.port) for host in self.addresses)

    def txt(self) -> dict[str, str]:
        """Return the TXT record: protocol version, node id, class, incarnation."""
        return {
            "v": str(PROTOCOL_VERSION),
            "id": self.node_id,
            "class": self.device_class,
            "inc": str(self.incarnation),
        }

    @classmethod
    def from_txt(cls, txt: Mapping[bytes, bytes | None], addresses: tuple[str, ...], port: int) -> Advert:
        """Read an announcement.

        Raises:
            ProtocolError: it lacks a field, holds nonsense, or speaks another version.
        """
        fields = {key: (txt.get(key.encode()) or b"").decode("ascii", "replace") for key in ("v", "id", "class", "inc")}
        if fields["v"] != str(PROTOCOL_VERSION):
            raise ProtocolError(f"it speaks protocol {fields['v'] or 'unknown'!r}, this node {PROTOCOL_VERSION}.")
        if not _FINGERPRINT.fullmatch(fields["id"]):
            raise ProtocolError(f"its id {fields['id'][:80]!r} is no fingerprint.")
        if fields["class"] not in tuple(DeviceClass):
            raise ProtocolError(f"its class {fields['class'][:80]!r} is unknown.")
        if not re.fullmatch("[0-9]{1,18}", fields["inc"]):
            raise ProtocolError(f"its incarnation {fields['inc'][:80]!r} is no number.")
        if not addresses or not 0 < port < 2**16:
            raise ProtocolError("it names no address that could be dialled.")
        return cls(
            node_id=NodeId(fields["id"]),
            device_class=DeviceClass(fields["class"]),
            incarnation=int(fields["inc"]),
            addresses=addresses,
            port=port,
        )
