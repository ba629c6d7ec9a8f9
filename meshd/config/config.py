"""Every key of ``meshd.toml``; the text below a key is what ``meshd config schema`` and ``config show`` print."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from meshd.config.peer_address import PeerAddress
from meshd.config.places import default_socket, default_state_dir
from meshd.config.policy_name import PolicyName
from meshd.core.node import DeviceClass
from meshd.core.settings import Settings
from model_registry.device_class import device_class
from model_registry.power import PowerModel

Port = Annotated[int, Meta(ge=0, le=65_535)]
Positive = Annotated[float, Meta(ge=1e-9)]
NotNegative = Annotated[float, Meta(ge=0)]
Name = Annotated[
    str,
    Meta(min_length=1, max_length=63, pattern=r"^[^\s./\\]+$", description="a word without spaces, dots or slashes"),
]
Fingerprint = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="a fingerprint of 64 lower-case hex digits, as meshd id prints it")
]
PeerText = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:#\[\]]+):[0-9]{1,5}#[0-9a-f]{64}$",
        description="host:port#fingerprint, with 64 lower-case hex digits after the #",
    ),
]
ModelName = Annotated[
    str, Meta(pattern="^[a-z0-9][a-z0-9-]*$", description="a model's name: lower-case letters, digits and hyphens")
]
HostedModel = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9-]*(:(watch|phone|hub|upstream))?$",
        description="a model's name, or name:tier with the tier watch, phone, hub or upstream",
    ),
]
PublisherKey = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="an Ed25519 public key of 64 lower-case hex digits")
]
PolicyText = Annotated[
    PolicyName, Meta(description='"shipped", "least-expected-cost", or the path of an .onnx file in quotes')
]
BrokerUrl = Annotated[
    str, Meta(pattern=r"^mqtts?://[^\s/@]+$", description="mqtt://host:port, or mqtts://host:port for TLS")
]


def _hostname() -> str:
    return socket.gethostname().split(".")[0] or "meshd"


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Node(Section, frozen=True):
    """This device."""

    name: Name = field(default_factory=_hostname)
    """What people call this device; the host's name unless set."""
    device_class: DeviceClass = DeviceClass.HUB
    """How strong this device is: it decides which tier of a model it hosts, and many defaults."""
    state_dir: Path = field(default_factory=default_state_dir)
    """Directory of the identity, the trusted fingerprints and the measured profiles. One daemon each."""
    slots: Annotated[int, Meta(ge=1, le=256)] = 1
    """Stages that run at once."""


class Listen(Section, frozen=True):
    """Where peers connect to, by mutually authenticated TLS 1.3."""

    host: str = "0.0.0.0"  # noqa: S104  Peers come from the network; only pinned fingerprints get past TLS.
    """Address to listen on; ``::`` takes IPv6 as well."""
    port: Port = 47600
    """Port to listen on; 0 takes any free one, which discovery then announces."""


class Client(Section, frozen=True):
    """Where programs on this device, and with a token those elsewhere, ask for inferences."""

    socket: Path = field(default_factory=default_socket)
    """Unix socket; only its owner and group may open it."""
    tcp_host: str | None = None
    """Address of the TCP endpoint; unset, there is none."""
    tcp_port: Port = 47601
    """Port of the TCP endpoint; 0 takes any free one."""
    token_file: Path | None = None
    """File whose text a TCP client must present; ``client.token`` in the state directory unless set."""


class Discovery(Section, frozen=True):
    """Finding peers by mDNS. It yields addresses, never trust."""

    enabled: bool = True
    """Announce this node on the local network and look for others."""
    interfaces: tuple[str, ...] = ()
    """Addresses or names of the network interfaces to use; all of them when empty."""


class Peers(Section, frozen=True):
    """Peers that are written down, beside those discovered."""

    static: tuple[PeerText, ...] = ()
    """Each as ``host:port#fingerprint``; writing a peer down is trusting it."""


class Trust(Section, frozen=True):
    """Which other nodes are let in."""

    pinned: tuple[Fingerprint, ...] = ()
    """Fingerprints to trust beside those in the file; ``meshd id`` prints a device's own."""
    file: Path | None = None
    """File of the trusted fingerprints, kept by ``meshd trust``; ``trust.toml`` in the state directory unless set."""


class Models(Section, frozen=True):
    """What this node can run."""

    dir: Path | None = None
    """Directory of model bundles, each with a manifest; the models shipped with meshd unless set."""
    host: tuple[HostedModel, ...] = ()
    """Models to host, as ``name`` or ``name:tier``; every model found, at this class's tier, when empty."""
    memory_budget_bytes: Annotated[int, Meta(ge=2**20)] = 2**30
    """Memory for warm models; the one unused for longest makes room."""
    warm: tuple[ModelName, ...] | Literal["all"] = "all"
    """Models to load at the start instead of at their first request."""
    publishers: tuple[PublisherKey, ...] = ()
    """Keys of publishers whose models are accepted, beside those that ``meshd models trust`` keeps."""
    fetch: tuple[ModelName, ...] | Literal["all", "none"] = "all"
    """Models to take over from peers when a trusted publisher has signed them."""
    disk_budget_bytes: Annotated[int, Meta(ge=2**20)] = 4 * 2**30
    """Disk space for artifacts; those unused for longest go first, pinned ones never."""
    pinned: tuple[ModelName, ...] = ()
    """Models that are never removed to make room."""
    admission_timeout_s: Annotated[float, Meta(ge=1.0, le=3_600.0)] = 60.0
    """Time that a new model has for its trial runs, at the smallest and the largest input its manifest allows."""
    scrub_interval_s: Annotated[float, Meta(ge=1.0)] = 21_600.0
    """Time in which every artifact on disk is read again and compared with its hash."""
    probe_interval_s: Annotated[float, Meta(ge=1.0)] = 600.0
    """Time between two runs of each warm model on an input whose answer is known."""


class Energy(Section, frozen=True):
    """This device's own figures, in place of its class's. All joules computed from them are estimates."""

    idle_watts: NotNegative | None = None
    """Power with nothing to do."""
    active_watts: Positive | None = None
    """Power that computing adds to idling."""
    macs_per_s: Positive | None = None
    """Multiply-accumulates a second; goes with ``active_watts``."""
    radio_joules_per_byte: NotNegative | None = None
    """Energy of sending or receiving a byte. Published figures lie 40 times apart."""
    radio_wake_joules: NotNegative | None = None
    """Energy of waking the radio once."""
    radio_tail_s: NotNegative | None = None
    """How long the radio stays awake behind a byte."""
    radio_tail_watts: NotNegative | None = None
    """Power that staying awake adds to idling."""
    radio_bps: Positive | None = None
    """Usual rate of the radio, bits a second."""
    battery_joules: Positive | None = None
    """Energy in the full battery."""
    simulate_battery: bool = False
    """Keep a made-up battery that empties by the estimates; for demos and tests on mains."""


class Mqtt(Section, frozen=True):
    """Telemetry and events for others. The mesh itself works without a broker."""

    url: BrokerUrl | None = None
    """Broker as ``mqtt://host:port``, or ``mqtts://host:port`` for TLS; unset, nothing is published."""
    username: str | None = None
    """Name to log in with."""
    password_file: Path | None = None
    """File that holds the password on its first line."""
    ca_file: Path | None = None
    """Certificates that may sign the broker's, for ``mqtts``; those of the system unless set."""
    embedded: bool = False
    """Run a broker inside this daemon, at the address in ``url``; for a home without one."""
    telemetry_interval_s: Annotated[float, Meta(ge=0.1, le=3_600.0)] = 10.0
    """Seconds between two publications of this node's telemetry."""


class Log(Section, frozen=True):
    """What the daemon writes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """One JSON object a line, or coloured text; auto writes text where a person watches a terminal."""


class Record(Section, frozen=True):
    """Evidence for later."""

    events: Path | None = None
    """File to append every scheduler event to, for replay; off unless set. It grows without bound."""


class Scheduler(Settings, frozen=True):
    """Bounds and prices of this node's scheduler, and who chooses among what it offers."""

    policy: PolicyText = field(default_factory=lambda: PolicyName("shipped"))
    """Who chooses where requests run: ``shipped``, the learned policy that comes with meshd, ``least-expected-cost``, a
    rule, or the path of another policy's ``.onnx``, with its ``.toml`` beside it. Where that cannot be served the rule
    serves, and ``meshd status`` says why; ``shipped`` unless set."""

    adapt: bool = False
    """Correct what ways are predicted to cost by what this node's own requests have really cost: by half at most, and
    upwards alone. ``meshd policy reset`` forgets it."""

    @property
    def settings(self) -> Settings:
        """Return what core is given."""
        return Settings(**{name: getattr(self, name) for name in Settings.__struct_fields__})


class LinkShape(Section, frozen=True):
    """How slow a link is made."""

    delay_s: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0
    """Time that everything is under way, in one direction."""
    jitter_s: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0
    """Most time that chance adds to the delay; order is kept."""
    rate_bps: Annotated[float, Meta(ge=1_000.0)] | None = None
    """Bits a second that pass; as many as the network takes unless set."""


PeerShapes = Annotated[
    dict[str, LinkShape],
    Meta(description="a table for each peer's name, of delay_s, jitter_s and rate_bps, numbers from 0 up"),
]


class Shaping(LinkShape, frozen=True):
    """Slower links than there are, for tests and demonstrations: what this node sends to its peers; they shape theirs.

    Above TLS, so that handshakes and records are not counted.
    """

    seed: Annotated[int, Meta(ge=0)] = 0
    """Where the chance of the jitter begins."""
    peers: PeerShapes = field(default_factory=dict)
    """Links to single peers, by name, instead: ``peers.kitchen = { rate_bps = 2e6 }``."""

    @property
    def is_on(self) -> bool:
        """Tell whether any link is shaped at all."""
        return any(shape.delay_s or shape.jitter_s or shape.rate_bps for shape in (self, *self.peers.values()))

    def towards(self, name: str) -> LinkShape:
        """Return how the link to a peer is shaped."""
        return self.peers.get(name, self)


class Config(Section, frozen=True):
    """All settings of one daemon."""

    node: Node = field(default_factory=Node)
    listen: Listen = field(default_factory=Listen)
    client: Client = field(default_factory=Client)
    discovery: Discovery = field(default_factory=Discovery)
    peers: Peers = field(default_factory=Peers)
    trust: Trust = field(default_factory=Trust)
    models: Models = field(default_factory=Models)
    scheduler: Scheduler = field(default_factory=Scheduler)
    energy: Energy = field(default_factory=Energy)
    mqtt: Mqtt = field(default_factory=Mqtt)
    log: Log = field(default_factory=Log)
    record: Record = field(default_factory=Record)
    shaping: Shaping = field(default_factory=Shaping)

    @property
    def token_path(self) -> Path:
        """Return the file of the TCP endpoint's token."""
        return self.client.token_file or self.node.state_dir / "client.token"

    @property
    def trust_path(self) -> Path:
        """Return the file of the trusted fingerprints."""
        return self.trust.file or self.node.state_dir / "trust.toml"

    @property
    def publishers_path(self) -> Path:
        """Return the file of the trusted publishers, kept by ``meshd models trust``."""
        return self.node.state_dir / "publishers.toml"

    @property
    def preferences_path(self) -> Path:
        """Return the file of the models that commands have pinned or removed."""
        return self.node.state_dir / "preferences.json"

    @property
    def experience_path(self) -> Path:
        """Return the file of what requests have taught the policy here."""
        return self.node.state_dir / "experience.json"

    @property
    def static_peers(self) -> tuple[PeerAddress, ...]:
        """Return the peers that are written down; ValueError when a port does not exist."""
        return tuple(PeerAddress.parse(peer) for peer in self.peers.static)

    @property
    def pinned(self) -> tuple[str, ...]:
        """Return every fingerprint that the configuration itself trusts."""
        return (*self.trust.pinned, *(peer.fingerprint for peer in self.static_peers))

    @property
    def power(self) -> PowerModel:
        """Return the class's power model with this device's own figures in it."""
        figures = msgspec.structs.asdict(self.energy)
        own = {key: figures[key] for key in PowerModel.__struct_fields__ if figures[key] is not None}
        return msgspec.structs.replace(device_class(self.node.device_class).power, **own)


_SMALL = {"scheduler": {"max_requests": 128, "max_queued": 32, "max_nodes": 32, "max_explained": 64}}


def class_defaults(name: DeviceClass) -> dict[str, dict[str, Any]]:
    """Return what differs from the plain defaults on a device of this class, as tables of the file."""
    match name:
        case DeviceClass.WATCH:
            return {
                "mqtt": {"telemetry_interval_s": 60.0},
                "models": {"memory_budget_bytes": 32 * 2**20, "disk_budget_bytes": 256 * 2**20},
                **_SMALL,
            }
        case DeviceClass.PHONE:
            return {"node": {"slots": 2}, "mqtt": {"telemetry_interval_s": 30.0}}
        case DeviceClass.HUB | DeviceClass.UPSTREAM:
            return {"node": {"slots": max(1, min(256, os.cpu_count() or 1))}}
