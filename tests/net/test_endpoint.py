"""Clients connect by a unix socket, or by a local port with a token; a crashed daemon's socket is no obstacle."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from meshd.errors import AddressInUse, ConfigInvalid, PeerLeft, ProtocolError, UntrustedPeer
from meshd.net.acceptor import MAX_UNFINISHED
from meshd.net.address import Address
from meshd.net.endpoint import ClientEndpoint, load_or_create_token
from meshd.net.session import Session
from meshd.net.session_limits import SessionLimits
from meshd.wire.messages import Document, Hello, Message, Query
from tests.net.nodes import until

LOOPBACK = Address("127.0.0.1", 0)


def daemon_hello() -> Hello:
    return Hello(role="peer", name="daemon", node_id="a" * 64)


class Clients:
    """A daemon's side: answers each query with its own subject."""

    def __init__(self) -> None:
        self.endpoint = ClientEndpoint(daemon_hello, self.serve)
        self.names: list[str] = []

    def serve(self, session: Session) -> None:
        assert session.remote is not None
        self.names.append(session.remote.name)
        session.on_message = self.answer

    def answer(self, session: Session, message: Message, _payload: memoryview) -> None:
        assert isinstance(message, Query)
        session.send(Document(request_id=message.request_id), [message.subject.encode()])


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    await clients.endpoint.stop()


def new_session(role: str = "client", token: str | None = None) -> Session:
    hello = Hello(role="client" if role == "client" else "peer", name="program", token=token)
    return Session(lambda: hello, dialled=True)


async def dialled(session: Session, where: Path | int) -> Session:
    loop = asyncio.get_running_loop()
    if isinstance(where, int):
        await loop.create_connection(lambda: session, "127.0.0.1", where)
    else:
        await loop.create_unix_connection(lambda: session, os.fspath(where))
    session.greet()
    return session


async def asked(session: Session) -> bytes:
    """Ask a question and return the document that answers it."""
    documents: list[bytes] = []
    session.on_message = lambda _session, _message, payload: documents.append(bytes(payload))
    await session.opened()
    session.send(Query(request_id="q", subject="status"))
    await until(lambda: documents)
    session.close()
    await session.closed()
    return documents[0]


async def test_a_client_on_the_unix_socket_is_served(clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "run" / "meshd.sock"
    await clients.endpoint.listen_unix(path)
    session = await dialled(new_session(), path)
    assert await asked(session) == b"status"
    assert session.remote == daemon_hello()
    assert clients.names == ["program"]


async def test_many_clients_that_come_at_once_are_all_served(clients: Clients, tmp_path: Path) -> None:
    await clients.endpoint.listen_unix(tmp_path / "d.sock")
    crowd = [new_session() for _ in range(3 * MAX_UNFINISHED)]
    await asyncio.gather(*(dialled(session, tmp_path / "d.sock") for session in crowd))
    assert [await asked(session) for session in crowd] == [b"status"] * len(crowd)


async def test_strangers_who_say_nothing_keep_the_others_waiting_only_until_their_time_is_up(tmp_path: Path) -> None:
    endpoint = ClientEndpoint(daemon_hello, lambda _session: None, limits=SessionLimits(hello_s=0.1))
    await endpoint.listen_unix(tmp_path / "d.sock")
    silent = [await asyncio.open_unix_connection(tmp_path / "d.sock") for _ in range(MAX_UNFINISHED)]
    session = await dialled(new_session(), tmp_path / "d.sock")
    await session.opened()
    session.close()
    await session.closed()
    for _, writer in silent:
        writer.close()
    await endpoint.stop()


async def test_only_owner_and_group_may_open_the_socket(clients: Clients, tmp_path: Path) -> None:
    await clients.endpoint.listen_unix(tmp_path / "meshd.sock")
    assert stat.S_IMODE((tmp_path / "meshd.sock").stat().st_mode) == 0o660


async def test_the_socket_that_a_crashed_daemon_left_is_replaced(clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "meshd.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    await clients.endpoint.listen_unix(path)
    assert await asked(await dialled(new_session(), path)) == b"status"


async def test_a_living_daemons_socket_is_left_alone(clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "meshd.sock"
    await clients.endpoint.listen_unix(path)
    second = Clients()
    with pytest.raises(AddressInUse, match="another daemon answers"):
        await second.endpoint.listen_unix(path)
    await second.endpoint.stop()
    assert await asked(await dialled(new_session(), path)) == b"status"


async def test_a_file_in_the_sockets_place_is_never_removed(clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ConfigInvalid, match="is no socket"):
        await clients.endpoint.listen_unix(path)
    assert path.read_text() == "data"


async def test_a_path_too_long_for_a_socket_is_said_to_be(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="107 characters"):
        await clients.endpoint.listen_unix(tmp_path / ("x" * 120))


async def test_stopping_says_goodbye_and_removes_the_socket(tmp_path: Path) -> None:
    clients, path = Clients(), tmp_path / "meshd.sock"
    await clients.endpoint.listen_unix(path)
    session = await dialled(new_session(), path)
    await session.opened()
    await clients.endpoint.stop()
    assert isinstance(await session.closed(), PeerLeft)
    assert not path.exists()


async def test_a_tcp_client_needs_the_token(clients: Clients, tmp_path: Path) -> None:
    token = load_or_create_token(tmp_path / "client.token")
    await clients.endpoint.listen_tcp(LOOPBACK, token)
    assert await asked(await dialled(new_session(token=token), clients.endpoint.port)) == b"status"
    for wrong in (None, "", token[:-1], token + "x"):
        session = await dialled(new_session(token=wrong), clients.endpoint.port)
        with pytest.raises(UntrustedPeer, match="the token is wrong or missing"):
            await session.opened()
        assert session.remote is None
    assert clients.names == ["program"]


def test_the_token_is_made_once_and_only_the_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "client.token"
    assert load_or_create_token(path) == load_or_create_token(path)
    assert len(load_or_create_token(path)) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("what", [lambda path: path.write_bytes(b"\xff"), os.mkfifo, Path.mkdir])
def test_what_is_no_token_ends_the_start_with_a_reason(tmp_path: Path, what: Callable[[Path], object]) -> None:
    what(tmp_path / "client.token")
    with pytest.raises(ConfigInvalid, match=r"the token in .* cannot be used: .*client\.token_file"):
        load_or_create_token(tmp_path / "client.token")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.2", "::", "example.org"])
async def test_clients_are_never_served_beyond_this_machine(clients: Clients, host: str) -> None:
    with pytest.raises(ConfigInvalid, match="without encryption"):
        await clients.endpoint.listen_tcp(Address(host, 0), "token")


async def test_a_tcp_endpoint_without_a_token_is_refused(clients: Clients) -> None:
    with pytest.raises(ConfigInvalid, match="token"):
        await clients.endpoint.listen_tcp(LOOPBACK, "")


async def test_a_peer_that_comes_to_the_clients_door_is_told(clients: Clients, tmp_path: Path) -> None:
    await clients.endpoint.listen_unix(tmp_path / "meshd.sock")
    session = await dialled(new_session(role="peer"), tmp_path / "meshd.sock")
    with pytest.raises(ProtocolError, match="peers connect to the peer port"):
        await session.opened()


async def test_garbage_on_the_socket_ends_that_connection_only(clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "meshd.sock"
    await clients.endpoint.listen_unix(path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"{}\n" * 1000)
    assert b"protocol_error" in await reader.read()
    writer.close()
    assert await asked(await dialled(new_session(), path)) == b"status"
