"""The same against mosquitto, which has passwords, access rules and TLS: what deploy/mosquitto.conf asks of a node."""

import asyncio
import ipaddress
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meshd.config.config import Mqtt
from meshd.mqtt.broker_address import BrokerAddress
from meshd.mqtt.mqtt_edge import MqttEdge
from meshd.mqtt.outbox import Outbox
from tests.mqtt.conftest import NODE, until

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]

Run = Callable[..., AbstractAsyncContextManager[Mqtt]]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Run:
    """Make a broker that knows the login kitchen / s3cret, and the configuration of a node that uses it."""

    @asynccontextmanager
    async def run(*, password: str = "s3cret", access: str = "pattern write meshd/%u/#") -> AsyncIterator[Mqtt]:
        port = _free_port()
        _write_settings(tmp_path, port, password=password, access=access)
        assert MOSQUITTO is not None
        process = await asyncio.create_subprocess_exec(
            MOSQUITTO, "-c", str(tmp_path / "mosquitto.conf"), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await until(lambda: _answers(port))
            yield Mqtt(
                url=f"mqtts://127.0.0.1:{port}",
                username="kitchen",
                password_file=tmp_path / "password",
                ca_file=tmp_path / "cert.pem",
            )
        finally:
            process.terminate()
            await process.wait()

    return run


@asynccontextmanager
async def edge(config: Mqtt, outbox: Path) -> AsyncIterator[MqttEdge]:
    node = MqttEdge(BrokerAddress.of(config), NODE, Outbox(outbox), jitter=lambda: 0.0)
    node.start()
    try:
        yield node
    finally:
        await node.aclose()


async def test_a_node_logs_in_over_tls_and_publishes_below_its_name(mosquitto: Run, tmp_path: Path) -> None:
    async with mosquitto() as config, edge(config, tmp_path / "outbox.db") as node:
        node.publish_anomaly({"score": 0.9})
        await node.settled()
        await until(lambda: node.state.queued == 0)
        assert (node.state.state, node.state.last_error) == ("connected", None)


async def test_a_wrong_password_is_told_in_the_state(mosquitto: Run, tmp_path: Path) -> None:
    async with mosquitto(password="guess") as config, edge(config, tmp_path / "outbox.db") as node:
        await until(lambda: node.state.state == "lost")
        assert "Not authorized" in str(node.state.last_error)


async def test_an_event_that_the_access_rules_refuse_is_kept(mosquitto: Run, tmp_path: Path) -> None:
    rules = "pattern write meshd/%u/status"
    async with mosquitto(access=rules) as config, edge(config, tmp_path / "outbox.db") as node:
        node.publish_anomaly({"score": 0.9})
        await until(lambda: node.state.state == "lost")
        assert str(node.state.last_error).startswith(
            "the broker refused a message to 'meshd/kitchen/anomaly': Not authorized."
        )
        assert node.state.queued == 1


async def test_a_broker_whose_certificate_nobody_signed_is_refused(mosquitto: Run, tmp_path: Path) -> None:
    async with mosquitto() as config:
        stranger = Mqtt(url=config.url, username="kitchen", password_file=config.password_file)
        async with edge(stranger, tmp_path / "outbox.db") as node:
            await until(lambda: node.state.state == "lost")
            assert "certificate verify failed" in str(node.state.last_error)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _write_settings(folder: Path, port: int, *, password: str, access: str) -> None:
    _write_certificate(folder)
    (folder / "rules").write_text(f"{access}\n")
    (folder / "password").write_text(f"{password}\n")
    passwords = folder / "passwords"
    passwords.write_text("kitchen:s3cret\n")
    passwords.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    (folder / "mosquitto.conf").write_text(
        f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
        f"acl_file {folder / 'rules'}\ncertfile {folder / 'cert.pem'}\nkeyfile {folder / 'key.pem'}\n"
    )


def _write_certificate(folder: Path) -> None:
    """Make a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(loopback, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
