"""Announces this node and finds others by mDNS. What it finds are addresses; trust is decided elsewhere."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Sequence
from ipaddress import ip_address
from typing import Protocol

from zeroconf import Error as ZeroconfError
from zeroconf import InterfaceChoice, IPVersion, ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from meshd import log
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import ProtocolError
from meshd.net.advert import Advert
from meshd.net.interfaces import announced, by_preference, local_addresses

SERVICE = "_meshd._tcp.local."

# Every record lives this long without being heard again, the pointer included, whose usual 75 minutes would keep
# a crashed node's ghost in every list. 120 s is what RFC 6762 section 10 gives to records that name a host.
_TTL_S = 120

# A look at the interfaces takes 0.2 ms. After a change of network this is how long mDNS is behind.
_NETWORK_LOOK_S = 5.0

_RESOLVE_MS = 3000
_MAX_RESOLVING = 64

_FAILURES = (OSError, RuntimeError, ZeroconfError)
"""What zeroconf raises where there is no interface, no multicast, or no answer to be had."""


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether zeroconf warns of more than this machine's own ``::1``, which hardly ever has multicast."""
    error = record.exc_info[1] if record.exc_info else None
    is_unreachable = isinstance(error, OSError) and error.errno == errno.ENETUNREACH
    return not (is_unreachable and "'::1'" in record.getMessage())


class DiscoveryEvents(Protocol):
    """Who is told what the network says; :class:`meshd.net.peering.Peering` is one."""

    def found(self, advert: Advert) -> None:
        """Hear that a node announced itself, or announced something new."""

    def lost(self, node_id: NodeId) -> None:
        """Hear that a node said goodbye or has not been heard for long."""


class Discovery:
    """Keeps one announcement on the network and a list of the others', through changes of network.

    ``problem`` says why there is no mDNS at present; static peers go on meanwhile, and it is tried again.
    """

    def __init__(
        self,
        events: DiscoveryEvents,
        *,
        node_id: NodeId,
        device_class: DeviceClass,
        incarnation: int,
        listen_host: str,
        port: int,
        interfaces: Sequence[str] = (),
    ) -> None:
        self.problem: str | None = "not started"
        self._events = events
        self._node_id = node_id
        self._device_class = device_class
        self._incarnation = incarnation
        self._listen_host = listen_host
        self._port = port
        self._interfaces = interfaces
        self._adverts: dict[str, Advert] = {}
        self._resolving: dict[str, asyncio.Task[None]] = {}
        self._local: tuple[str, ...] = ()
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._announcing: Awaitable[object] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Announce this node and look for others; where that is impossible, keep trying and say so in ``problem``."""
        self._local = local_addresses(self._interfaces)
        await self._open()
        self._watching = asyncio.create_task(self._watch_network(), name="discovery")

    async def stop(self) -> None:
        """Withdraw the announcement, so that nobody dials a daemon that is gone."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._close()

    # ----------------------------------------------------------------------------------------------- announcing

    async def _open(self) -> None:
        if self._interfaces and not self._local:
            self._degrade(f"no mDNS: this machine has no interface {' or '.join(self._interfaces)}")
            return
        try:
            self._zeroconf = self._new_zeroconf()
            self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._heard])
            await self._announce(self._zeroconf)
        except _FAILURES as error:
            await self._close()
            self._degrade(f"no mDNS: {type(error).__name__}: {error}")
        else:
            self.problem = None
            log.get_logger().info(log.DISCOVERY_STARTED, addresses=self._local, port=self._port)

    def _new_zeroconf(self) -> AsyncZeroconf:
        logging.getLogger("zeroconf").addFilter(is_news)
        chosen: InterfaceChoice | list[str] = list(self._local) if self._interfaces else InterfaceChoice.All
        try:
            return AsyncZeroconf(interfaces=chosen, ip_version=IPVersion.All)
        except OSError:  # This system has no IPv6.
            return AsyncZeroconf(interfaces=chosen, ip_version=IPVersion.V4Only)

    async def _announce(self, zeroconf: AsyncZeroconf) -> None:
        # No probing for the name: it is made of our fingerprint, so whoever else has it is a copy of us, which the
        # incarnations settle. RFC 6762 section 8.1 wants no probes for names known to be unique; they would take
        # 1.2 s, half of the time that a start may take until everybody has found everybody.
        self._announcing = await zeroconf.async_register_service(self._announced(), cooperating_responders=True)

    def _announced(self) -> ServiceInfo:
        advert = Advert(
            node_id=self._node_id,
            device_class=self._device_class,
            incarnation=self._incarnation,
            addresses=announced(self._local, listen_host=self._listen_host),
            port=self._port,
        )
        return ServiceInfo(
            SERVICE,
            _service_name(self._node_id),
            port=advert.port,
            parsed_addresses=list(advert.addresses),
            properties=advert.txt(),
            server=f"{_label(self._node_id)}.local.",
            host_ttl=_TTL_S,
            other_ttl=_TTL_S,
        )

    async def _close(self) -> None:
        zeroconf, self._zeroconf = self._zeroconf, None
        for task in list(self._resolving.values()):
            task.cancel()
        if self._browser is not None:
            await self._browser.async_cancel()
            self._browser = None
        if self._announcing is not None:
            await asyncio.gather(self._announcing, return_exceptions=True)
            self._announcing = None
        if zeroconf is not None:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()

    def _degrade(self, problem: str) -> None:
        if problem != self.problem:
            log.get_logger().warning(log.DISCOVERY_FAILED, reason=problem)
        self.problem = problem

    # ------------------------------------------------------------------------------------- changes of the network

    async def _watch_network(self) -> None:
        while True:
            await asyncio.sleep(_NETWORK_LOOK_S)
            local = local_addresses(self._interfaces)
            if self._zeroconf is None:
                self._local = local
                await self._open()
            elif local != self._local:
                self._local = local
                await self._follow_network(self._zeroconf)

    async def _follow_network(self, zeroconf: AsyncZeroconf) -> None:
        try:
            await zeroconf.zeroconf.async_update_interfaces(list(self._local) if self._interfaces else None)
            self._announcing = await zeroconf.async_update_service(self._announced())
        except _FAILURES as error:
            await self._close()
            self._degrade(f"no mDNS after a change of network: {type(error).__name__}: {error}")
        else:
            log.get_logger().info(log.DISCOVERY_STARTED, addresses=self._local, port=self._port)

    # ---------------------------------------------------------------------------------------------------- hearing

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            self._forget(name)
            return
        info = AsyncServiceInfo(service_type, name)
        if info.load_from_cache(zeroconf):
            self._understand(info)
        elif name not in self._resolving and len(self._resolving) < _MAX_RESOLVING:
            task = asyncio.create_task(self._resolve(zeroconf, info), name=f"resolve {name}")
            self._resolving[name] = task
            task.add_done_callback(lambda _task: self._resolving.pop(name))

    async def _resolve(self, zeroconf: Zeroconf, info: AsyncServiceInfo) -> None:
        try:
            if await info.async_request(zeroconf, _RESOLVE_MS):
                self._understand(info)
        except _FAILURES as error:
            log.get_logger().info(log.ADVERT_REFUSED, name=info.name, reason=str(error))

    def _understand(self, info: ServiceInfo) -> None:
        addresses = [address for address in info.parsed_scoped_addresses() if _can_be_dialled(address)]
        try:
            advert = Advert.from_txt(info.properties, by_preference(addresses), info.port or 0)
        except ProtocolError as error:
            log.get_logger().info(log.ADVERT_REFUSED, name=info.name, reason=str(error))
            return
        if advert.node_id == self._node_id and advert.incarnation == self._incarnation:
            return
        if info.name != _service_name(advert.node_id):
            # Else one forged packet under a name that its owner never defends would lead us astray until it restarts.
            log.get_logger().info(log.ADVERT_REFUSED, name=info.name, reason=f"{advert.node_id} has another name")
            return
        if self._adverts.get(info.name) != advert:
            self._adverts[info.name] = advert
            self._events.found(advert)

    def _forget(self, name: str) -> None:
        if advert := self._adverts.pop(name, None):
            self._events.lost(advert.node_id)


def _label(node_id: NodeId) -> str:
    return f"meshd-{node_id[:16]}"


def _service_name(node_id: NodeId) -> str:
    return f"{_label(node_id)}.{SERVICE}"


def _can_be_dialled(address: str) -> bool:
    """Drop what lacks its scope: a link-local address without one leads nowhere."""
    return "%" in address or not (":" in address and ip_address(address).is_link_local)
