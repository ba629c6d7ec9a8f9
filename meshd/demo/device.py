"""One daemon of the household: a process of its own, with its own identity, configuration and log."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import SetupError
from meshd.log import REQUEST_FINISHED
from meshd.net.identity import Identity

_STOP_S = 5.0
"""A daemon that was told to stop drains its requests, each of which has a deadline of the same length."""
_TAIL_LINES = 8
_PR_SET_PDEATHSIG = 1
"""Source: Linux, include/uapi/linux/prctl.h."""
_LIBC = ctypes.CDLL(None)


class _Line(msgspec.Struct):
    event: str = ""
    request_id: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device stands: what its command line begins with, and what its configuration has beside the usual."""

    prefix: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, Any]] = {}


class Device:
    """A node called after its class."""

    def __init__(self, device_class: DeviceClass, folder: Path, sockets: Path, place: Place | None = None) -> None:
        self.device_class = device_class
        self.name = device_class.value
        self.socket = sockets / f"{self.name}.sock"
        self.started_s: float | None = None
        self._place = place or Place()
        self._state_dir = folder / self.name
        self._config = folder / f"{self.name}.toml"
        self._log = folder / f"{self.name}.log"
        self._process: asyncio.subprocess.Process | None = None
        with Identity.load_or_create(self._state_dir) as identity:
            self.node_id: NodeId = identity.node_id

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Return the id of the process; AssertionError when it was never started."""
        assert self._process is not None, "a device is started before anybody looks at its process"
        return self._process.pid

    def configure(self, *, trusted: list[NodeId], mqtt: dict[str, Any], models: dict[str, Any]) -> None:
        """Write the configuration file, a small one: everything else is the default of the class."""
        tables: dict[str, dict[str, Any]] = {
            "node": {"name": self.name, "device_class": self.device_class.value, "state_dir": str(self._state_dir)},
            "listen": {"host": "127.0.0.1", "port": 0},
            "client": {"socket": str(self.socket)},
            "discovery": {"interfaces": ["127.0.0.1"]},
            "trust": {"pinned": trusted},
            "mqtt": mqtt,
            "models": models,
            "log": {"level": "info", "format": "json"},
        }
        for name, table in self._place.tables.items():
            tables[name] = {**tables.get(name, {}), **table}
        self._config.write_text(tomli_w.dumps(tables))

    async def start(self) -> None:
        """Start the daemon. It leads its own session, so that Ctrl-C reaches the demo alone, which then stops it."""
        with self._log.open("ab") as log:
            self.started_s = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *(*self._place.prefix, sys.executable, "-P", "-m", "meshd.daemon", "--config", str(self._config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    async def stop(self) -> None:
        """Stop the daemon, by force if it does not listen."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def check_running(self) -> None:
        """Raise SetupError, with the end of its log, when the daemon has ended."""
        if self._process is not None and self._process.returncode is not None:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
            raise SetupError(f"the {self.name} ended with code {self._process.returncode}. Its log ends:\n{tail}")

    def outcomes(self) -> Counter[str]:
        """Count the outcomes of each request in the daemon's own log, where each must stand exactly once."""
        outcomes: Counter[str] = Counter()
        with self._log.open("rb") as lines:
            for line in lines:
                if REQUEST_FINISHED.encode() in line:
                    outcomes[msgspec.json.decode(line, type=_Line).request_id] += 1
        return outcomes


def _end_with_parent() -> None:
    """Have the kernel end this daemon when the demo is killed, which leaves the demo no time to do so."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
