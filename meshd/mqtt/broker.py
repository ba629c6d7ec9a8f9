"""The embedded broker: rumqttd, as the iotcore package carries it, for homes, demos and tests without mosquitto.

It speaks MQTT 5 only, keeps nothing on disk and knows no passwords, so it listens on loopback unless told otherwise.
It runs in a child process, because rumqttd cannot be stopped inside one; the child ends when its parent does.
"""

from __future__ import annotations

import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from meshd import log
from meshd.errors import AddressInUse, SetupError
from model_registry.extra import installing

LOOPBACK = "127.0.0.1"
START_S = 10.0

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 4

[v5.1]
name = "mqtt5"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


class EmbeddedBroker:
    """A broker in a child process. Starting and stopping block for about 0.1 s."""

    def __init__(self, *, host: str = LOOPBACK, port: int = 0, folder: Path | None = None) -> None:
        """Prepare a broker; port 0 stands for any free one.

        Its configuration file is kept in the folder, a temporary one unless given: who may be killed before it can
        clean up gives one of its own, where the file is written over at the next start.
        """
        self.host = host
        self.port = port or _free_port(host)
        self._kept_in = folder
        self._folder: TemporaryDirectory[str] | None = None
        self._broker: Any = None

    @property
    def url(self) -> str:
        """Return where it listens, as ``mqtt.url`` in the configuration wants it."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            SetupError: iotcore is not installed, or the broker did not come up.
            AddressInUse: something else listens there.
        """
        broker = _iotcore()
        config = self._place() / "rumqttd.toml"
        config.write_text(_CONFIG.format(host=self.host, port=self.port), encoding="utf-8")
        self._broker = broker(config_path=str(config))
        try:
            self._broker.start(timeout=START_S)
        except OSError as error:
            self.stop()
            raise AddressInUse(
                f"the embedded broker cannot listen on {self.host}:{self.port}: {error}.",
                hint="Stop what listens there, or change mqtt.url.",
            ) from error
        except RuntimeError as error:
            self.stop()
            raise SetupError(f"the embedded broker did not start: {error}.", hint="Use mosquitto.") from error
        log.get_logger().info(log.BROKER_STARTED, url=self.url)

    def stop(self) -> None:
        """Stop it; again does nothing."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _place(self) -> Path:
        if self._kept_in is not None:
            return self._kept_in
        self._folder = TemporaryDirectory(prefix="meshd-broker-")
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _iotcore() -> Any:
    try:
        from iotcore import Broker  # noqa: PLC0415 - an optional dependency.
    except ImportError as error:
        raise SetupError(
            "the embedded broker needs the iotcore package, which is not installed.",
            hint=f"Set mqtt.url to a broker of your own, or run: {installing('hub')}",
        ) from error
    return Broker


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
