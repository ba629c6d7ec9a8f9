"""One daemon: opens the edges around a node, serves, and closes them again. The only place that builds things."""

from __future__ import annotations

import asyncio
import gc
import signal
import sqlite3
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from msgspec import to_builtins

import meshd
from meshd import log
from meshd.config import Config
from meshd.config.config import Models
from meshd.core.ids import ModelName, NodeId
from meshd.core.node import NodeProfile
from meshd.core.policy import Policy
from meshd.core.scheduler import Scheduler
from meshd.daemon.experience_file import ExperienceFile
from meshd.daemon.models.keeper import Keeper
from meshd.daemon.node import Node
from meshd.daemon.pump import Record
from meshd.daemon.reception import Reception
from meshd.daemon.recorder import Recorder
from meshd.daemon.reporter import Reporter
from meshd.daemon.vitals import Vitals
from meshd.documents import Done, Problem
from meshd.errors import SetupError, Superseded
from meshd.executor.admissions import Admissions
from meshd.executor.executor import Executor
from meshd.executor.profile_cache import ProfileCache
from meshd.host.battery import battery_of
from meshd.host.energy_meter import EnergyMeter
from meshd.host.notifier import Notifier
from meshd.mqtt.broker import EmbeddedBroker
from meshd.mqtt.broker_address import BrokerAddress
from meshd.mqtt.mqtt_edge import MqttEdge
from meshd.mqtt.outbox import Outbox
from meshd.net.address import Address
from meshd.net.discovery import Discovery
from meshd.net.endpoint import ClientEndpoint, load_or_create_token
from meshd.net.identity import Identity
from meshd.net.peering import Peering
from meshd.net.trust import Pin, TrustStore
from meshd.policy.adaptation import Adapted
from meshd.policy.experience import Experience
from meshd.policy.guard import Guard
from meshd.policy.served import Served, served
from meshd.wire.messages import Hello
from model_registry import codec
from model_registry.admission.admitted import Limits
from model_registry.store import ModelStore

_DRAIN_S = 5.0
"""How long a stopping daemon waits for its requests; systemd kills it 90 s after it was asked to stop."""


class Daemon:
    """Runs one node until it is told to stop. What it opens is closed in the reverse order."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stopping = asyncio.Event()
        self._superseded: Superseded | None = None
        self._discovery: Discovery | None = None
        self._peering: Peering | None = None
        self._admissions: Admissions | None = None
        self._standing_problems: list[Problem] = []
        self._notifier = Notifier()
        self._log = log.get_logger()

    def stop(self) -> None:
        """Ask for an orderly end: requests alive are finished, new ones refused, peers told."""
        self._stopping.set()
        if self._admissions is not None:
            self._admissions.close()

    async def run(self) -> None:
        """Open everything, serve until stopped, close everything.

        Raises:
            SetupError: the node cannot start as it is set up.
            Superseded: another daemon with this node's identity started later.
        """
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self.stop)
        async with AsyncExitStack() as stack:
            node, mqtt = await self._open(stack)
            # What the start has made stays for good; a full collection that walks all of it halts requests for 50 ms.
            gc.collect()
            gc.freeze()
            self._notifier.ready()
            await self._serve(node, mqtt)
            self._notifier.stopping()
            left = await node.drain(_DRAIN_S)
            self._log.info(log.DAEMON_DRAINED, unfinished=left)
        self._log.info(log.DAEMON_STOPPED)
        if self._superseded is not None:
            raise self._superseded

    async def _open(self, stack: AsyncExitStack) -> tuple[Node, MqttEdge]:
        identity = stack.enter_context(Identity.load_or_create(self._config.node.state_dir))
        executor, keeper = await self._open_models(stack)
        profile = self._profile(identity, executor)
        mqtt = await self._open_mqtt(stack, profile)
        chosen = self._served()
        policy = self._open_policy(stack, chosen.policy, keeper)
        node = Node(
            profile,
            self._config.scheduler.settings,
            executor=executor,
            keeper=keeper,
            vitals=self._vitals(executor),
            listener=mqtt,
            superseded=self._give_way,
            record=lambda scheduler: self._open_recorder(stack, scheduler),
            policy=policy,
        )
        node.start()
        stack.callback(node.chronicle.close)
        stack.callback(node.stop)
        peering = await self._open_peering(stack, identity, node)
        reporter = Reporter(
            config=self._config,
            node=node,
            keeper=keeper,
            links=peering.peers,
            mqtt=lambda: mqtt.state,
            problems=self._problems,
            listening=str(Address(self._config.listen.host, peering.port)),
            policy_note=chosen.note,
        )
        await self._open_endpoint(stack, identity, Reception(node.intake, reporter, keeper.installer))
        if self._config.discovery.enabled:  # Last: a daemon that cannot start must not call its peers.
            await self._open_discovery(stack, identity, peering)
        self._log.info(log.DAEMON_STARTED, node_id=identity.node_id, name=profile.name, port=peering.port)
        return node, mqtt

    async def _open_models(self, stack: AsyncExitStack) -> tuple[Executor, Keeper]:
        config = self._config
        store = ModelStore(config.node.state_dir / "models")
        self._admissions = Admissions(config.node.state_dir / "admitted.json", _limits(config.models))
        executor = Executor(
            store,
            slots=config.node.slots,
            memory_budget_bytes=config.models.memory_budget_bytes,
            admission=self._admissions,
            profiles=ProfileCache(config.node.state_dir / "profiles.json"),
        )
        stack.callback(executor.close)
        keeper = Keeper(config, store, executor)
        stack.push_async_callback(keeper.close)
        await asyncio.to_thread(keeper.open)  # In a thread, so that who asks this daemon to stop is heard.
        return executor, keeper

    def _profile(self, identity: Identity, executor: Executor) -> NodeProfile:
        config = self._config
        return NodeProfile(
            node_id=identity.node_id,
            name=config.node.name,
            device_class=config.node.device_class,
            incarnation=identity.incarnation,
            slots=config.node.slots,
            power=config.power,
            hosted=executor.hosted_tiers(),
            codecs=codec.available(),
            takes_probes=True,
        )

    def _served(self) -> Served:
        """Return the policy that is configured, or the rule that stands in for it."""
        chosen = served(self._config.scheduler.policy)
        if (problem := chosen.problem) is not None:
            self._log.warning(log.POLICY_REFUSED, reason=problem.message)
            self._standing_problems.append(Problem(sentence=problem.message, hint=problem.hint))
        return chosen

    def _open_policy(self, stack: AsyncExitStack, policy: Policy, keeper: Keeper) -> Policy:
        """Return a policy with what requests have taught here, where that is asked for."""
        experience = Experience(policy.sha256 if isinstance(policy, Guard) else policy.name)
        kept = ExperienceFile(self._config.experience_path, experience)
        if not self._config.scheduler.adapt:
            keeper.orders.acts["reset"] = partial(_reset_for_later, kept)
            return policy
        keeper.orders.acts["reset"] = kept.reset
        kept.read()
        kept.start()
        stack.push_async_callback(kept.aclose)
        return Adapted(policy, self._config.scheduler.settings, experience)

    def _vitals(self, executor: Executor) -> Vitals:
        power = self._config.power
        return Vitals(
            power,
            battery=battery_of(power, simulate=self._config.energy.simulate_battery),
            meter=EnergyMeter(power),
            warm=executor.warm_artifacts,
            warm_stages=executor.warm_stages,
        )

    async def _open_mqtt(self, stack: AsyncExitStack, profile: NodeProfile) -> MqttEdge:
        address = BrokerAddress.of(self._config.mqtt)
        if self._config.mqtt.embedded and address is not None:
            self._open_broker(stack, address)
        mqtt = MqttEdge(address, profile, self._open_outbox(self._config.node.state_dir / "outbox.sqlite"))
        stack.push_async_callback(mqtt.aclose)
        mqtt.start()
        return mqtt

    def _open_outbox(self, path: Path) -> Outbox:
        try:
            return Outbox(path)
        except (OSError, sqlite3.Error) as error:
            raise SetupError(
                f"the outbox for alarms, {path}, cannot be used: {error}.", hint="Look at its disk and its permissions."
            ) from error

    def _open_broker(self, stack: AsyncExitStack, address: BrokerAddress) -> None:
        """Start the embedded broker; without it the mesh works and the status says what is wrong."""
        broker = EmbeddedBroker(host=address.host, port=address.port, folder=self._config.node.state_dir)
        try:
            broker.start()
        except SetupError as error:
            self._log.warning(log.BROKER_REFUSED, reason=error.message)
            self._standing_problems.append(Problem(sentence=error.message, hint=error.hint))
        else:
            stack.callback(broker.stop)

    def _open_recorder(self, stack: AsyncExitStack, scheduler: Scheduler) -> Record | None:
        path = self._config.record.events
        if path is None:
            return None
        recorder = Recorder(path, scheduler, self._config.scheduler.settings, monotonic())
        stack.callback(recorder.close)
        return recorder

    async def _open_peering(self, stack: AsyncExitStack, identity: Identity, node: Node) -> Peering:
        config = self._config
        trust = TrustStore(config.trust_path, [Pin(fingerprint=fingerprint) for fingerprint in config.pinned])
        hello = partial(self._hello, "peer", identity)
        peering = Peering(identity, trust, hello, node.neighbourhood, shaping=config.shaping)
        stack.push_async_callback(peering.stop)
        self._peering = peering
        await peering.start(config.listen.host, config.listen.port)
        for peer in config.static_peers:
            peering.add_static(NodeId(peer.fingerprint), Address(peer.host, peer.port))
        return peering

    async def _open_discovery(self, stack: AsyncExitStack, identity: Identity, peering: Peering) -> None:
        config = self._config
        discovery = Discovery(
            peering,
            node_id=identity.node_id,
            device_class=config.node.device_class,
            incarnation=identity.incarnation,
            listen_host=config.listen.host,
            port=peering.port,
            interfaces=config.discovery.interfaces,
        )
        stack.push_async_callback(discovery.stop)
        await discovery.start()
        self._discovery = discovery  # Only now: clients may ask already, and not to have started yet is no problem.

    async def _open_endpoint(self, stack: AsyncExitStack, identity: Identity, reception: Reception) -> None:
        client = self._config.client
        endpoint = ClientEndpoint(lambda: self._hello("client", identity), reception.welcome)
        stack.push_async_callback(endpoint.stop)
        await endpoint.listen_unix(client.socket)
        if client.tcp_host is not None:
            token = load_or_create_token(self._config.token_path)
            await endpoint.listen_tcp(Address(client.tcp_host, client.tcp_port), token)

    def _hello(self, role: Literal["peer", "client"], identity: Identity) -> Hello:
        return Hello(
            role=role,
            name=self._config.node.name,
            node_id=identity.node_id,
            device_class=self._config.node.device_class,
            incarnation=identity.incarnation,
        )

    async def _serve(self, node: Node, mqtt: MqttEdge) -> None:
        """Look at the machine with every heartbeat, and tell those outside now and then, until stopped."""
        beat_s = min(self._config.scheduler.heartbeat_interval_s, self._notifier.watchdog_interval_s or float("inf"))
        every = max(1, round(self._config.mqtt.telemetry_interval_s / beat_s))
        beats, told = 0, None
        while not self._stopping.is_set():
            node.sample()
            if beats % every == 0:
                mqtt.publish_telemetry(to_builtins(node.scheduler.telemetry()))
            if (status := self._status(node)) != told:
                mqtt.publish_status(status)
                told = status
            beats += 1
            self._notifier.alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), beat_s)

    def _status(self, node: Node) -> dict[str, Any]:
        """Return what is retained on the broker: it changes seldom, telemetry is for the rest."""
        return {
            "version": meshd.__version__,
            "models": [f"{hosted.model}:{hosted.tier}" for hosted in node.scheduler.profile.hosted],
            "problems": [problem.sentence for problem in (*node.problems, *self._problems())],
        }

    def _problems(self) -> list[Problem]:
        found = [*self._standing_problems]
        if self._discovery is not None and self._discovery.problem:
            found.append(Problem(sentence=self._discovery.problem, hint="Static peers work meanwhile: peers.static."))
        if self._peering is not None and self._peering.contested:
            hint = "If a state directory was copied, remove one copy; if not, distrust that peer."
            found.append(Problem(sentence=self._peering.contested, hint=hint))
        return found

    def _give_way(self, error: Superseded) -> None:
        self._superseded = error
        self.stop()


async def _reset_for_later(kept: ExperienceFile, model: ModelName) -> Done:
    """Forget what was learned while this device still adapted, and say that it does not by now."""
    done = await kept.reset(model)
    return Done(sentence=f"{done.sentence} scheduler.adapt is off: nothing is learned, and nothing was corrected.")


def _limits(models: Models) -> Limits:
    """Return what a model may take on its trial: it gets no memory there that it would not get here."""
    budget_bytes = models.memory_budget_bytes
    return Limits(memory_bytes=budget_bytes, size_bytes=budget_bytes, wall_s=models.admission_timeout_s)
