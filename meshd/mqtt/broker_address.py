"""Where the broker is, and how to log in there."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from msgspec import Struct

from meshd.config.config import Mqtt
from meshd.errors import ConfigInvalid
from model_registry import small_file

PORTS = {"mqtt": 1883, "mqtts": 8883}  # As registered with IANA.


class BrokerAddress(Struct, frozen=True, kw_only=True):
    """A broker, ready to be connected to."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, config: Mqtt) -> BrokerAddress | None:
        """Read the configuration and the files that it names; none when no broker is configured.

        Raises:
            ConfigInvalid: the address has no host or no port number, or a file cannot be read.
        """
        if config.url is None:
            return None
        host, port, scheme = _split(config.url)
        try:
            tls = ssl.create_default_context(cafile=config.ca_file) if scheme == "mqtts" else None
            password = _first_line(config)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigInvalid(
                f"a file of [mqtt] cannot be used: {error}.", hint="Check ca_file and password_file."
            ) from error
        return cls(host=host, port=port, username=config.username, password=password, tls=tls)


def _split(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise ConfigInvalid(f"mqtt.url = '{url}' is no broker's address.", hint="Write mqtt://host:port.") from error
    if not parts.hostname:
        raise ConfigInvalid(f"mqtt.url = '{url}' names no host.", hint="Write mqtt://host:port.")
    return parts.hostname, port, parts.scheme


def _first_line(config: Mqtt) -> str | None:
    if config.password_file is None:
        return None
    return small_file.read(config.password_file).decode().partition("\n")[0].rstrip("\r")
