"""The shipped broker configuration, run by a real mosquitto: only paths, ports and the account are changed."""

import datetime as dt
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORD = "a password of the test"
START_LIMIT_S = 30.0
# Debian keeps the broker where only root's PATH looks.
SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
MOSQUITTO = shutil.which("mosquitto", path=SEARCHED)

pytestmark = pytest.mark.skipif(not MOSQUITTO, reason="mosquitto is not installed")


class Broker(NamedTuple):
    port: int
    tls_port: int
    ca_file: Path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    home = tmp_path_factory.mktemp("mosquitto")
    port, tls_port = free_ports()
    write_certificates(home / "certs")
    shutil.copy(DEPLOY / "mosquitto.acl", home / "meshd.acl")
    (home / "meshd.acl").chmod(0o600)
    write_passwords(home / "meshd.passwd", "watch", "phone", "homeassistant")
    shipped = (DEPLOY / "mosquitto.conf").read_text()
    moved = (
        shipped.replace("/etc/mosquitto", str(home))
        .replace("listener 1883", f"listener {port}")
        .replace("listener 8883", f"listener {tls_port}")
    )
    # As root it would change to an account that may not read the test's folder.
    (home / "mosquitto.conf").write_text(moved + ("user root\n" if os.geteuid() == 0 else ""))
    with subprocess.Popen([MOSQUITTO or "", "-c", home / "mosquitto.conf"], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_listening(process, port, tls_port)
            yield Broker(port, tls_port, home / "certs" / "ca.crt")
        finally:
            process.terminate()


def free_ports() -> tuple[int, int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as one, closing(socket.create_server(("", 0))) as two:
        return one.getsockname()[1], two.getsockname()[1]


def write_certificates(folder: Path) -> None:
    """Lay a self-signed certificate that is its own authority; nobody else's is needed to see TLS work."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    for file in ("ca.crt", "broker.crt"):
        (folder / file).write_bytes(pem)
    (folder / "broker.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def write_passwords(file: Path, *names: str) -> None:
    file.touch(mode=0o600)
    for name in names:
        subprocess.run(["mosquitto_passwd", "-b", file, name, PASSWORD], check=True, timeout=10)


def wait_until_listening(process: subprocess.Popen[bytes], *ports: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    waiting = list(ports)
    while waiting:
        assert process.poll() is None, f"mosquitto ended with {process.returncode}: the configuration is refused"
        assert time.monotonic() < deadline, f"mosquitto does not listen on {waiting}"
        try:
            socket.create_connection(("127.0.0.1", waiting[0]), timeout=1).close()
            waiting.pop(0)
        except ConnectionRefusedError:
            time.sleep(0.02)


def client(broker: Broker, name: str | None, password: str | None = PASSWORD) -> aiomqtt.Client:
    return clear_client(broker.port, name, password)


def clear_client(port: int, name: str | None, password: str | None = PASSWORD, timeout_s: float = 5) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        username=name,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=timeout_s,
    )


@pytest.mark.parametrize(
    ("name", "password"), [(None, None), ("stranger", PASSWORD), ("watch", "guessed"), ("watch", "")]
)
async def test_a_stranger_is_refused(broker: Broker, name: str | None, password: str | None) -> None:
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with client(broker, name, password):
            pass


async def test_a_node_speaks_for_itself_and_everyone_known_hears_it(broker: Broker) -> None:
    async with client(broker, "homeassistant") as listener, client(broker, "watch") as watch:
        await listener.subscribe("meshd/#", qos=1)
        await watch.publish("meshd/watch/status", "alive", qos=1)
        message = await anext(aiter(listener.messages))
        assert (str(message.topic), message.payload) == ("meshd/watch/status", b"alive")


async def test_a_node_cannot_speak_for_another(broker: Broker) -> None:
    async with client(broker, "phone") as phone, client(broker, "watch") as watch:
        await phone.subscribe("meshd/#", qos=1)
        await watch.publish("meshd/phone/status", "forged", qos=1)
        await watch.publish("meshd/watch/status", "true", qos=1)
        message = await anext(aiter(phone.messages))
        assert (str(message.topic), message.payload) == ("meshd/watch/status", b"true")


async def test_the_open_listener_takes_tls_only_and_proves_itself(broker: Broker) -> None:
    trusting = ssl.create_default_context(cafile=str(broker.ca_file))
    async with aiomqtt.Client(
        "127.0.0.1", broker.tls_port, username="watch", password=PASSWORD, tls_context=trusting, timeout=5
    ) as watch:
        await watch.publish("meshd/watch/status", "alive", qos=1)
    with pytest.raises(aiomqtt.MqttError):
        async with clear_client(broker.tls_port, "watch", timeout_s=0.5):
            pass


def test_the_clear_listener_is_on_loopback_only() -> None:
    listeners = [line.split() for line in (DEPLOY / "mosquitto.conf").read_text().splitlines()]
    assert [words for words in listeners if words[:1] == ["listener"]] == [
        ["listener", "1883", "127.0.0.1"],
        ["listener", "8883"],
    ]
