"""Which other nodes this one trusts: their certificates, pinned in a file that people and commands may edit."""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import tomli_w

from meshd import log
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import ConfigInvalid
from meshd.net.files import write_atomically
from meshd.net.identity import fingerprint


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trusted node. The name and class are the owner's notes; only the certificate decides."""

    name: str
    device_class: DeviceClass = msgspec.field(name="class")
    certificate: str
    """PEM. The whole certificate and not its hash alone, for that is what OpenSSL verifies against."""

    @property
    def node_id(self) -> NodeId:
        """Fingerprint of the certificate."""
        return fingerprint(ssl.PEM_cert_to_DER_cert(self.certificate))


class _TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peer: tuple[Pin, ...] = ()


class TrustStore:
    """Pinned certificates, kept in a TOML file (``[[peer]]`` tables) that is read again when it has changed.

    Raises:
        ConfigInvalid: the file exists and cannot be understood.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._pins = self._read()
        self.version = 0
        """Grows whenever the pins change."""

    @property
    def pins(self) -> Mapping[NodeId, Pin]:
        """Every trusted node."""
        return MappingProxyType(self._pins)

    def trusts(self, node_id: str) -> bool:
        """Tell whether a fingerprint is pinned."""
        return node_id in self._pins

    def pin(self, certificate_pem: str, *, name: str, device_class: DeviceClass) -> NodeId:
        """Trust the node with this certificate from now on, and return its id.

        Raises:
            ConfigInvalid: this is no certificate.
        """
        self.refresh()
        pin = Pin(name=name, device_class=device_class, certificate=certificate_pem)
        node_id = _checked_id(pin)
        self._write({**self._pins, node_id: pin})
        return node_id

    def unpin(self, node_id: str) -> bool:
        """Trust a node no longer; tell whether it was trusted."""
        self.refresh()
        if node_id not in self._pins:
            return False
        self._write({kept: pin for kept, pin in self._pins.items() if kept != node_id})
        return True

    def refresh(self) -> bool:
        """Read the file again if it has changed, and tell whether it has. A damaged one changes nothing."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._pins = self._read()
        except ConfigInvalid as error:
            log.get_logger().error(log.TRUST_REFUSED, path=str(self._path), reason=str(error))
            return False
        self.version += 1
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> dict[NodeId, Pin]:
        try:
            content = msgspec.convert(tomllib.loads(self._path.read_text()), _TrustFile)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.ValidationError) as error:
            raise ConfigInvalid(
                f"the trusted peers in {self._path} cannot be read: {error}.",
                hint="Mend the file, or remove it and pair again.",
            ) from error
        return {_checked_id(pin): pin for pin in content.peer}

    def _write(self, pins: dict[NodeId, Pin]) -> None:
        tables = {"peer": [msgspec.to_builtins(pin) for pin in pins.values()]}
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path, tomli_w.dumps(tables, multiline_strings=True).encode(), mode=0o600)
        self._pins, self._stamp = pins, self._look()
        self.version += 1


def _checked_id(pin: Pin) -> NodeId:
    """Return the node id of a pin whose certificate OpenSSL accepts; one bad one would void the others."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pin.certificate)
        node_id = pin.node_id
    except (ssl.SSLError, ValueError) as error:
        raise ConfigInvalid(
            f"the certificate of {pin.name!r} is none: {error}.",
            hint="Copy identity.crt from that device's state directory.",
        ) from error
    return node_id
