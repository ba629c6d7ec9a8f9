"""Which other nodes this one trusts: pinned fingerprints, some from the configuration, the rest in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
import tomli_w

from meshd import log
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import ConfigInvalid
from meshd.net.files import write_atomically
from model_registry.small_file import read_toml

_FINGERPRINT = "[0-9a-f]{64}"


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One trusted node. The fingerprint decides, the name is a note; a class, if given, must be what the node says."""

    fingerprint: Annotated[str, msgspec.Meta(pattern=f"^{_FINGERPRINT}$")]
    name: str = ""
    device_class: DeviceClass | None = msgspec.field(name="class", default=None)

    @property
    def node_id(self) -> NodeId:
        """The node that this pin trusts."""
        return NodeId(self.fingerprint)


class _TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peer: tuple[Pin, ...] = ()


class TrustStore:
    """Pinned nodes: those given here for good, and those of a TOML file of ``[[peer]]`` tables.

    Commands and people edit the file while the daemon runs; :meth:`refresh` takes notice.

    Raises:
        ConfigInvalid: the file exists and cannot be understood.
    """

    def __init__(self, path: Path, configured: Iterable[Pin] = ()) -> None:
        self._path = path
        self._configured = {pin.node_id: pin for pin in configured}
        self._stamp = self._look()
        self._filed = self._read()

    @property
    def pins(self) -> Mapping[NodeId, Pin]:
        """Every trusted node."""
        return MappingProxyType(self._configured | self._filed)

    def trusts(self, node_id: str) -> bool:
        """Tell whether a fingerprint is pinned."""
        return node_id in self._filed or node_id in self._configured

    def pin(self, node_id: str, *, name: str = "", device_class: DeviceClass | None = None) -> None:
        """Trust a node from now on.

        Raises:
            ConfigInvalid: this is no fingerprint.
        """
        if not re.fullmatch(_FINGERPRINT, node_id):
            raise ConfigInvalid(
                f"{node_id!r} is no fingerprint.", hint="It has 64 digits; `meshd id` prints a device's own."
            )
        self.refresh()
        pin = Pin(fingerprint=node_id, name=name, device_class=device_class)
        self._write(self._filed | {pin.node_id: pin})

    def unpin(self, node_id: str) -> bool:
        """Trust a node of the file no longer; tell whether it was there. The configuration's stay."""
        self.refresh()
        if node_id not in self._filed:
            return False
        self._write({kept: pin for kept, pin in self._filed.items() if kept != node_id})
        return True

    def refresh(self) -> bool:
        """Read the file again if it has changed, and tell whether it has. A damaged one changes nothing."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._filed = self._read()
        except ConfigInvalid as error:
            log.get_logger().error(log.TRUST_REFUSED, path=str(self._path), reason=str(error))
            return False
        log.get_logger().info(log.TRUST_CHANGED, path=str(self._path), pinned=len(self.pins))
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:  # What else than that it is not there is told by whoever reads it.
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> dict[NodeId, Pin]:
        try:
            content = read_toml(self._path, _TrustFile)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigInvalid(
                f"the trusted nodes in {self._path} cannot be read: {error}.",
                hint="Mend the file, or remove it and pair again.",
            ) from error
        return {pin.node_id: pin for pin in content.peer}

    def _write(self, pins: dict[NodeId, Pin]) -> None:
        tables = {"peer": [msgspec.to_builtins(pin) for pin in pins.values()]}
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path, tomli_w.dumps(tables).encode(), mode=0o600)
        self._filed, self._stamp = pins, self._look()
