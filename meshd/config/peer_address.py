"""A peer that is written down instead of discovered."""

from __future__ import annotations

import re

from msgspec import Struct
from typing_extensions import override

_FORM = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:#\[\]]+)):(?P<port>\d{1,5})#(?P<id>[0-9a-f]{64})")


class PeerAddress(Struct, frozen=True, kw_only=True):
    """Where a peer listens, and which fingerprint must answer there."""

    host: str
    port: int
    fingerprint: str

    @classmethod
    def parse(cls, text: str) -> PeerAddress:
        """Read ``host:port#fingerprint``; an IPv6 address stands in brackets.

        Raises:
            ValueError: the text has another form, or the port is not in 1..65535.

        """
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError("a peer is written host:port#fingerprint, with 64 hex digits after the #")
        port = int(form["port"])
        if not 1 <= port <= 65_535:
            raise ValueError(f"There is no port {port}; ports are 1 to 65535")
        return cls(host=form["v6"] or form["host"], port=port, fingerprint=form["id"])

    @override
    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}#{self.fingerprint}"
