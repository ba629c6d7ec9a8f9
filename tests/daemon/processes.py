"""Real daemons in processes of their own, on loopback, with toy models; whoever starts them ends them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import tomli_w

from meshd.client import Client, Result
from meshd.core.ids import NodeId
from meshd.documents import Peer, StatusDocument
from meshd.errors import MeshError
from meshd.net.identity import Identity
from tests.daemon.toys import lay_bundle

PATIENCE_S = 60.0
"""How long a test waits for a state before it fails; every one of them comes within a few seconds."""
STOP_S = 30.0
_POLL_S = 0.02

CASCADE = ("watch", "phone", "hub")
SOON_MISSED = {"heartbeat_interval_s": 0.2, "suspect_after_s": 1.5, "dead_after_s": 3.0, "patience_floor_s": 10.0}
"""Who stands still is missed by its silence, within seconds; who is only slow, on a busy machine, is waited for."""

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """Ask again and again until the answer is true, and return it."""
    due_s = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < due_s, f"{what} did not come about within {patience_s:g} s"
        time.sleep(_POLL_S)  # Another process knows; it can only be asked.
    return found


def check_climbed(result: Result, enough: str) -> None:
    """Fail unless a request went up from tier to tier until one was enough, each at the node of its class.

    Where it began, and whether it left one out, is for the policy, links and models of microseconds to say.
    """
    nodes = [hop.node for hop in result.route]
    ranks, least = [CASCADE.index(node) for node in nodes], CASCADE.index(enough)
    assert ranks == sorted(set(ranks)), nodes
    assert [rank >= least for rank in ranks] == [False] * (len(ranks) - 1) + [True], nodes
    assert (result.tier.value, result.degraded) == (nodes[-1], False)


class Device:
    """One daemon: its configuration, its process, and a client to it."""

    def __init__(self, folder: Path, sockets: Path, name: str, device_class: str) -> None:
        self.name = name
        self.device_class = device_class
        self.state_dir = folder / name
        self.socket = sockets / f"{name}.sock"
        self.bundles = folder / "bundles"
        self.config_file = folder / f"{name}.toml"
        self.log_file = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.prefix: tuple[str, ...] = ()
        """What the command line begins with, for example to run in a network namespace."""
        with Identity.load_or_create(self.state_dir) as identity:
            self.node_id: NodeId = identity.node_id

    def configure(self, *trusted: Device, **tables: dict[str, Any]) -> None:
        """Write the configuration; ``tables`` go over what every device of a test has."""
        own: dict[str, dict[str, Any]] = {
            "node": {"name": self.name, "device_class": self.device_class, "state_dir": str(self.state_dir)},
            "listen": {"host": "127.0.0.1", "port": 0},
            "client": {"socket": str(self.socket)},
            "discovery": {"interfaces": ["127.0.0.1"]},
            "trust": {"pinned": [other.node_id for other in trusted if other is not self]},
            "models": {"dir": str(self.bundles)},
            "scheduler": SOON_MISSED,
            "log": {"level": "info", "format": "json"},
        }
        for name, table in tables.items():
            own[name] = own.get(name, {}) | table
        self.config_file.write_text(tomli_w.dumps(own))

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-P", "-m", "meshd.daemon", "--config", str(self.config_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash or an empty battery would."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end and return the exit status."""
        assert self.process is not None
        return self.process.wait(STOP_S)

    def tell_to_stop(self) -> None:
        """Ask it to stop if it runs, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)

    def end(self) -> None:
        """Stop it if it runs."""
        self.tell_to_stop()
        if self.process is None:
            return
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop when told to:\n{self.log()}") from None

    def client(self) -> Client:
        return Client(str(self.socket), connect_timeout_s=2.0)

    def until(self, condition: Callable[[], T | None], what: str) -> T:
        """Ask again and again until the answer is true, and return it; a failure shows the log."""
        try:
            return until(condition, f"{self.name}: {what}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log:\n{self.log()}") from None

    def check_running(self) -> None:
        """Fail, with the log, when it has ended by itself."""
        assert self.process is None or self.process.poll() is None, f"{self.name} has ended:\n{self.log()}"

    def ask(self, question: Callable[[Client], T]) -> T | None:
        """Ask the daemon something; none when it is not there."""
        self.check_running()
        if not self.socket.exists():
            return None
        with suppress(MeshError), self.client() as client:
            return question(client)
        return None

    def status(self) -> StatusDocument:
        """Return how it is, once it answers."""
        return self.until(lambda: self.ask(Client.status), "its status")

    def peers(self) -> dict[str, Peer]:
        """Return what it knows of each other node, by name; of strangers by id, for others may use this network."""
        document = self.ask(Client.peers)
        known = document.peers if document else ()
        return {peer.name if peer.state != "unpaired" else peer.node_id: peer for peer in known}

    def sees(self, *others: Device) -> bool:
        """Tell whether the others are alive and in session."""
        peers = self.peers()
        return all(
            (peer := peers.get(other.name)) is not None and peer.state == "alive" and peer.link_up for other in others
        )

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log that are about one event."""
        lines = (line for line in self.log().splitlines() if f'"{name}"' in line)
        return [msgspec.json.decode(line) for line in lines]

    def outcomes(self) -> Counter[str]:
        """Count how often each request that was asked for here has ended."""
        return Counter(line["request_id"] for line in self.events("request.finished"))


class Household:
    """Devices that trust each other, a folder for what they keep, and another one with short names for sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sockets = Path(tempfile.mkdtemp(prefix="meshd-test-"))
        self.devices: dict[str, Device] = {}
        lay_bundle(folder / "bundles")

    def add(self, name: str, device_class: str = "") -> Device:
        """Make a device with an identity of its own; it is not configured yet."""
        self.devices[name] = Device(self.folder, self._sockets, name, device_class or name)
        return self.devices[name]

    def add_copy(self, name: str, original: Device) -> Device:
        """Make a device out of a copy of another one's state directory, as a restored backup would be."""
        shutil.copytree(original.state_dir, self.folder / name)
        return self.add(name, original.device_class)

    def start(self, **tables: dict[str, Any]) -> None:
        """Let all devices trust each other, start them, and wait until each sees the others."""
        for device in self.devices.values():
            device.configure(*self.devices.values(), **tables)
            device.start()
        self.gather()

    def gather(self) -> None:
        """Wait until each device sees all the others."""
        for device in self.devices.values():
            others = [other for other in self.devices.values() if other is not device]
            device.until(partial(self._sees, device, others), "its sight of the others")

    def _sees(self, device: Device, others: list[Device]) -> bool:
        for one in self.devices.values():
            one.check_running()
        return device.sees(*others)

    def close(self) -> None:
        """End everything that runs and remove the sockets."""
        for device in self.devices.values():
            device.tell_to_stop()
        try:
            for device in self.devices.values():
                device.end()
        finally:
            for device in self.devices.values():
                if device.process is not None and device.process.poll() is None:
                    device.kill()
            shutil.rmtree(self._sockets, ignore_errors=True)


@contextmanager
def household(folder: Path) -> Iterator[Household]:
    """Give an empty household and end what it started."""
    home = Household(folder)
    try:
        yield home
    finally:
        home.close()
