"""Three daemons that are paired with each other, on this machine and on nothing but its loopback."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meshd.client import AsyncClient
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from meshd.demo.device import Device, Place
from meshd.demo.spending import HOUSEHOLD
from meshd.documents import PeersDocument
from meshd.errors import MeshError, SetupError

ToCome = Callable[[], Awaitable[list[str]]]
"""Tells what the watch does not know of yet; nothing once it knows all."""

_POLL_S = 0.02
"""How finely the time until all see each other is measured."""
_PATIENCE_S = 20.0


class Household:
    """A watch, a phone and a hub; the hub carries the MQTT broker.

    They host the models that ship with meshd, or those of the directory ``models``; they accept others of the
    ``publishers``, and take them over from each other only when told to.

    Example: ``async with Household(folder) as household: await household.gather("ecg-anomaly")``
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        models: Path | None = None,
        publishers: tuple[str, ...] = (),
        places: Mapping[DeviceClass, Place] | None = None,
    ) -> None:
        # Sockets get a directory with a short name: a unix socket's path has room for 107 bytes.
        self._sockets = Path(tempfile.mkdtemp(prefix="meshd-"))
        self.folder = folder or self._sockets
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.devices = {
                name: Device(name, self.folder, self._sockets, (places or {}).get(name)) for name in HOUSEHOLD
            }
        except BaseException:  # Private keys may be in there, and nobody will ever enter this household.
            shutil.rmtree(self._sockets, ignore_errors=True)
            raise
        self.discovered_s: dict[DeviceClass, float] = {}
        self._clients: dict[DeviceClass, AsyncClient] = {}
        self._models: dict[str, Any] = {"publishers": publishers, "fetch": "none"}
        if models:
            self._models["dir"] = str(models)

    async def __aenter__(self) -> Self:
        url = f"mqtt://127.0.0.1:{_free_port()}"
        try:
            for device in self.devices.values():
                others = [other.node_id for other in self.devices.values() if other is not device]
                mqtt = {"url": url, "embedded": device.device_class is DeviceClass.HUB}
                device.configure(trusted=others, mqtt=mqtt, models=self._models)
                await device.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop all daemons and remove what nobody asked to keep."""
        await asyncio.gather(*(client.close() for client in self._clients.values()))
        await asyncio.gather(*(device.stop() for device in self.devices.values()))
        shutil.rmtree(self._sockets, ignore_errors=True)

    def client(self, name: DeviceClass) -> AsyncClient:
        """Return the client of one device; it connects at its first call."""
        if name not in self._clients:
            self._clients[name] = AsyncClient(str(self.devices[name].socket), name="meshd demo")
        return self._clients[name]

    async def gather(self, model: str) -> None:
        """Wait until each device sees the other two, and the watch knows all tiers of the model.

        Raises:
            SetupError: a daemon ended, or they did not find each other in time.
        """
        await self._come_together(partial(self._tiers_to_come, model), _PATIENCE_S)

    async def meet(self, hosts: Mapping[ModelName, int], *, patience_s: float = _PATIENCE_S) -> None:
        """Wait until each device sees the other two, and the watch knows of so many hosts of each model.

        Raises:
            SetupError: a daemon ended, or they did not come together in time.
        """
        await self._come_together(partial(self._hosts_to_come, hosts), patience_s)

    async def _come_together(self, to_come: ToCome, patience_s: float) -> None:
        missing: list[str] = []
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*(self._until_it_sees_the_others(device) for device in self.devices.values()))
                while missing := await to_come():
                    for device in self.devices.values():
                        device.check_running()
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            why, hint = await self._why_not(missing)
            logs = (
                f"Their logs are in {self.folder}." if self.folder != self._sockets else "--keep DIR keeps their logs."
            )
            raise SetupError(
                f"the devices did not come together within {patience_s:g} s. {why}", hint=f"{hint} {logs}"
            ) from None

    async def _until_it_sees_the_others(self, device: Device) -> None:
        assert device.started_s is not None, "a household is entered before it gathers"
        while not await self._sees_the_others(device):
            device.check_running()
            await asyncio.sleep(_POLL_S)
        self.discovered_s[device.device_class] = time.monotonic() - device.started_s

    async def _sees_the_others(self, device: Device) -> bool:
        document = await self.peers(device.device_class)
        peers = document.peers if document else ()
        alive = {peer.node_id for peer in peers if peer.state == "alive" and peer.link_up}
        return alive >= {other.node_id for other in self.devices.values() if other is not device}

    async def _tiers_to_come(self, model: str) -> list[str]:
        document = await self.client(DeviceClass.WATCH).models()
        tiers = {tier.tier for known in document.models if known.name == model for tier in known.tiers if tier.hosts}
        return [f"no host of {model}'s {name} tier" for name in HOUSEHOLD if name not in tiers]

    async def _hosts_to_come(self, hosts: Mapping[ModelName, int]) -> list[str]:
        document = await self.client(DeviceClass.WATCH).models()
        known = {model.name: {host.node for tier in model.tiers for host in tier.hosts} for model in document.models}
        found = {model: len(known.get(model, ())) for model in hosts}
        return [f"{found[model]} of {n} hosts of {model}" for model, n in hosts.items() if found[model] < n]

    async def peers(self, name: DeviceClass) -> PeersDocument | None:
        """Return what one device knows of the others; none while it does not answer."""
        if not self.devices[name].socket.exists():
            return None
        try:
            return await self.client(name).peers()
        except MeshError:
            return None

    async def _why_not(self, missing: list[str]) -> tuple[str, str]:
        """Return what the devices lack, and what may help: sight of each other, or ``missing`` hosts of models."""
        blind = [name for name in HOUSEHOLD if name not in self.discovered_s]
        if blind:
            return " ".join([await self._seen_by(name) for name in blind]), "Is multicast blocked on loopback?"
        known = f"knows of {', '.join(missing)}" if missing else "did not say which models it knows of"
        hint = "Has this machine much else to do? A daemon's log says `model.refused` of what it would not host."
        return f"The watch {known}.", hint

    async def _seen_by(self, name: DeviceClass) -> str:
        document = await self.peers(name)
        errors = [peer.last_error for peer in document.peers if peer.last_error] if document else ["no answer"]
        return f"{name}: {'; '.join(errors) or 'it sees nobody'}."


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
