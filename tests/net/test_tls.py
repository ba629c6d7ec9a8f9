"""Who is not pinned reads not one byte of ours, whatever certificate and protocol it tries."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meshd.net.identity import SECRET_FILE, Identity
from meshd.net.link import LinkState
from meshd.net.tls import client_context
from meshd.wire.frame import encode
from meshd.wire.messages import Hello
from tests.net.nodes import Node, pair, tells, until


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(tmp_path / "node", "node")
    await node.start()
    yield node
    await node.stop()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Identity]:
    with Identity.load_or_create(tmp_path / "stranger") as identity:
        yield identity


def self_signed(path: Path) -> ssl.SSLContext:
    """Make a certificate by other means than ours, and a client that shows it to anybody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2100)).sign(
        key, hashes.SHA256()
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = without_certificate()
    context.load_cert_chain(path)
    return context


def without_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def hello_frame() -> bytes:
    return b"".join(bytes(memoryview(part)) for part in encode(Hello(role="peer", name="me", node_id="a" * 64)))


def read_everything(port: int, context: ssl.SSLContext) -> bytes:
    """Connect as a raw TLS client, say hello, and return every application byte until the end."""
    read = b""
    with (
        suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain) as tls,
    ):
        tls.sendall(hello_frame())
        while chunk := tls.recv(4096):
            read += chunk
    return read


async def test_a_stranger_with_a_certificate_like_ours_reads_nothing(node: Node, stranger: Identity) -> None:
    assert await asyncio.to_thread(read_everything, node.peering.port, client_context(stranger)) == b""
    await until(node.peering.peers)
    (link,) = node.peering.peers()
    assert (link.state, link.node_id, link.address) == (LinkState.UNPAIRED, stranger.node_id, "127.0.0.1")
    assert f"run `meshd trust add {stranger.node_id}`" in (link.last_error or "")
    assert node.events.connected == []


async def test_a_stranger_with_any_other_certificate_reads_nothing(node: Node, tmp_path: Path) -> None:
    assert await asyncio.to_thread(read_everything, node.peering.port, self_signed(tmp_path / "own.pem")) == b""


async def test_a_stranger_without_a_certificate_reads_nothing(node: Node) -> None:
    assert await asyncio.to_thread(read_everything, node.peering.port, without_certificate()) == b""


async def test_a_client_that_speaks_at_most_tls_1_2_gets_no_connection(node: Node, stranger: Identity) -> None:
    context = without_certificate()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(stranger.secret_path)
    assert await asyncio.to_thread(read_everything, node.peering.port, context) == b""
    await until(node.peering.peers)
    await tells(node, "no TLS 1.3 with 127.0.0.1")


@pytest.mark.parametrize("garbage", [hello_frame(), b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 600, b"\x16\x03\x01"])
async def test_garbage_without_tls_is_answered_by_nothing_of_ours(node: Node, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.peering.port)
    writer.write(garbage)
    writer.write_eof()
    with suppress(ConnectionError):
        answer = await reader.read()
        assert b"MSHD" not in answer
        assert len(answer) <= 7, "a TLS alert is 7 bytes long"
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_trusted_node_still_gets_in_after_all_that(node: Node, tmp_path: Path) -> None:
    other = Node(tmp_path / "other", "other")
    pair(node, other)
    await other.start()
    other.peering.add_static(node.id, node.address)
    await until(lambda: node.events.connected == [other.id])
    await other.stop()


async def test_a_hello_with_the_id_of_another_node_is_refused(node: Node, stranger: Identity) -> None:
    node.trust.pin(stranger.node_id)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.peering.port, ssl=client_context(stranger))
    writer.write(hello_frame())
    answer = await reader.read()
    assert b"protocol_error" in answer
    assert b"does not agree with its certificate" in answer
    assert node.events.connected == []
    writer.close()


async def test_a_dialler_sends_nothing_to_a_server_that_is_not_the_one_it_means(tmp_path: Path) -> None:
    """A trusted id at an address where somebody else answers, with a certificate like ours."""
    node, friend = Node(tmp_path / "node", "node"), Node(tmp_path / "friend", "friend")
    pair(node, friend)
    received = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        with suppress(ConnectionError, ssl.SSLError):
            received += await reader.read()
        writer.close()

    with Identity.load_or_create(tmp_path / "impostor"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "impostor" / SECRET_FILE)
        server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
        await node.start()
        node.peering.add_static(friend.id, node.address._replace(port=server.sockets[0].getsockname()[1]))
        await tells(node, "is not the one that was dialled")
        assert received == b""
        await node.stop()
        server.close()
        await server.wait_closed()
    friend.identity.release()
