"""A person brings a model to a running daemon, pins it, and takes it away again; each by one command."""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from typing_extensions import override

from meshd.client import AsyncClient, Client
from meshd.client.brought_bundle import BroughtBundle
from meshd.client.conversation import hello, install_message
from meshd.client.endpoint import Endpoint
from meshd.documents import Taken
from meshd.errors import InvalidInput, ModelRefused, UnknownModel, UnknownQuery
from meshd.net.address import Address
from meshd.net.endpoint import ClientEndpoint
from meshd.net.files import write_atomically
from meshd.net.session import Session
from meshd.wire.messages import Fetch, Message, Order
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, introduced, join, until
from tests.daemon.models.family import family
from tests.daemon.models.test_distribution import HEAVY_BYTES, hosts, keep, trusting
from tests.daemon.toys import GRAVE, window

pytestmark = pytest.mark.usefixtures("checks_in_process")

Add = Callable[[Path, Path], Awaitable[Taken]]


async def from_asyncio(socket: Path, bundle: Path) -> Taken:
    async with AsyncClient(str(socket)) as client:
        return await client.install_model(bundle)


async def from_plain_code(socket: Path, bundle: Path) -> Taken:
    def add() -> Taken:
        with Client(str(socket)) as client:
            return client.install_model(bundle)

    return await asyncio.to_thread(add)


@pytest.fixture(params=[from_asyncio, from_plain_code], ids=["async", "blocking"])
def add(request: pytest.FixtureRequest) -> Any:
    return request.param


@asynccontextmanager
async def listening(member: Member) -> AsyncIterator[Path]:
    """Give the socket where clients reach a node."""
    folder = Path(tempfile.mkdtemp(prefix="meshd-test-"))  # Short: a unix socket's path has room for 107 bytes.
    endpoint = ClientEndpoint(member.hello, member.reception.welcome)
    await endpoint.listen_unix(folder / "d.sock")
    try:
        yield folder / "d.sock"
    finally:
        await endpoint.stop()
        shutil.rmtree(folder)


async def told(member: Member, action: str, model: str) -> Any:
    return await member.keeper.orders.carry_out(Order(request_id="r", action=action, model=model))


async def test_a_model_that_is_added_runs_at_once_and_travels_on(
    member: MakeMember, publisher: SigningKey, tmp_path: Path, add: Add
) -> None:
    made = family(publisher, ballast_bytes=HEAVY_BYTES)
    watch, hub = (member(name, bare=True, models=trusting(publisher)) for name in ("watch", "hub"))
    join(watch, hub)
    await introduced(watch, hub)
    async with listening(hub) as socket:
        taken = await add(socket, made.lay(tmp_path / "from"))
    assert structs.replace(taken, moved_s=0.0) == Taken(
        model=made.model,
        version="1.0.0",
        hosted="hub/toy-fp32",
        kept=("watch/toy-fp32", "phone/toy-fp32", "hub/toy-fp32"),
        moved_bytes=sum(map(len, made.contents.values())),
    )
    await until(lambda: hosts(watch, made, "watch"), "the model on the watch")
    result = await watch.client().infer(window(GRAVE), model="news")
    assert result.route[-1].node == "hub"


async def test_a_model_can_be_added_over_tcp(member: MakeMember, publisher: SigningKey, tmp_path: Path) -> None:
    made = family(publisher, ballast_bytes=HEAVY_BYTES)
    hub = member("hub", bare=True, models=trusting(publisher))
    endpoint = ClientEndpoint(hub.hello, hub.reception.welcome)
    await endpoint.listen_tcp(Address("127.0.0.1", 0), "secret")
    told: list[tuple[int, int]] = []

    def add() -> Taken:
        address = Endpoint(host="127.0.0.1", port=endpoint.port, token="secret")
        with Client(address) as client:
            return client.install_model(made.lay(tmp_path / "from"), progress=lambda *bytes_: told.append(bytes_))

    try:
        taken = await asyncio.to_thread(add)
    finally:
        await endpoint.stop()
    assert taken.hosted == "hub/toy-fp32"
    assert told == sorted(told)
    assert told[-1] == (taken.moved_bytes, sum(map(len, made.contents.values())))


async def test_what_a_vanished_client_brought_is_not_asked_for_again(
    member: MakeMember, publisher: SigningKey, tmp_path: Path
) -> None:
    made = family(publisher, ballast_bytes=HEAVY_BYTES)
    hub = member("hub", bare=True, models=trusting(publisher))
    bundle = made.lay(tmp_path / "from")
    async with listening(hub) as socket:
        given = await _bring_some(socket, BroughtBundle(bundle), answers=5)
        await until(lambda: not hub.keeper.installer._tasks, "the end of the first try")
        assert not hub.store.holds(made.artifact("hub"))
        brought = _Recording(bundle)
        taken = await _bring(socket, brought)
    assert taken
    asked = {index for fetch in brought.fetches if fetch.sha256 == made.artifact("hub") for index in _run(fetch)}
    assert given
    assert asked == set(range(made.map("hub").count)) - given


async def test_an_unsigned_model_runs_where_it_was_added_and_nowhere_else(
    member: MakeMember, publisher: SigningKey, tmp_path: Path
) -> None:
    made = family()
    phone, hub = (member(name, bare=True) for name in ("phone", "hub"))
    join(phone, hub)
    await introduced(phone, hub)
    async with listening(hub) as socket:
        await from_asyncio(socket, made.lay(tmp_path / "from"))
    assert hosts(hub, made, "hub")
    with pytest.raises(UnknownModel, match="no peer in session lends"):
        await told(phone, "fetch", "news")


async def test_a_strangers_model_is_refused_and_leaves_nothing(
    member: MakeMember, publisher: SigningKey, tmp_path: Path, add: Add
) -> None:
    hub = member("hub", bare=True)
    async with listening(hub) as socket:
        with pytest.raises(ModelRefused, match="not trusted here"):
            await add(socket, family(publisher).lay(tmp_path / "from"))
    assert (hub.store.models(), dict(hub.store.artifacts()), dict(hub.store.begun())) == ((), {}, {})


async def test_a_damaged_bundle_is_refused_before_a_byte_of_it_is_sent(
    member: MakeMember, tmp_path: Path, add: Add
) -> None:
    bundle = family().lay(tmp_path / "from")
    (bundle / "phone.onnx").write_bytes(b"something else")
    hub = member("hub", bare=True)
    async with listening(hub) as socket:
        with pytest.raises(InvalidInput, match=r"phone\.onnx is not the file that the manifest names"):
            await add(socket, bundle)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
async def test_what_is_no_bundle_is_refused_with_what_to_give(member: MakeMember, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    hub = member("hub", bare=True)
    async with listening(hub) as socket:
        with pytest.raises(InvalidInput, match="cannot be read") as caught:
            await from_asyncio(socket, tmp_path / name)
    assert "meshd models import" in caught.value.hint


async def test_a_model_that_is_removed_stays_away_until_it_is_asked_for(
    member: MakeMember, publisher: SigningKey
) -> None:
    made = family(publisher)
    phone, hub = (member(name, bare=True, models=trusting(publisher)) for name in ("phone", "hub"))
    await keep(hub, made)
    join(phone, hub)
    await until(lambda: hosts(phone, made, "phone"), "the model")
    await told(phone, "remove", "news")
    assert (phone.store.models(), dict(phone.store.artifacts())) == ((), {})
    assert not hosts(phone, made, "phone")
    await phone.stop()
    again = member("phone", bare=True, models=trusting(publisher))
    join(again, hub)
    await until(lambda: [s for s in again.keeper.exchange.sources() if s.inventory.offers])
    await introduced(again, hub)
    assert not again.keeper.arriving()
    await told(again, "fetch", "news")
    assert hosts(again, made, "phone")


async def test_a_full_disk_keeps_no_model_from_being_removed(
    member: MakeMember, publisher: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made := family(publisher))

    def write_where_there_is_room(path: Path, content: bytes, *, mode: int) -> None:
        if hub.store.artifacts():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_atomically(path, content, mode=mode)

    monkeypatch.setattr("meshd.daemon.models.preferences.write_atomically", write_where_there_is_room)
    await told(hub, "remove", made.model)
    assert not hub.store.models()
    assert hub.keeper.preferences.removed == {made.model}


async def test_pins_survive_a_restart_and_the_configurations_pins_stay(
    member: MakeMember, publisher: SigningKey
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher, pinned=["fixed"]))
    await keep(hub, family(publisher))
    await told(hub, "pin", "news")
    await hub.stop()
    again = member("hub", bare=True, models=trusting(publisher, pinned=["fixed"]))
    assert again.keeper.preferences.pinned == {"news", "fixed"}
    [model] = (await again.client().query("models"))["models"]
    assert (model["name"], model["pinned"]) == ("news", True)
    await told(again, "unpin", "news")
    assert again.keeper.preferences.pinned == {"fixed"}
    with pytest.raises(InvalidInput, match="pinned by the configuration"):
        await told(again, "unpin", "fixed")


@pytest.mark.parametrize("action", ["remove", "pin"])
async def test_only_what_is_here_can_be_managed(member: MakeMember, action: str) -> None:
    with pytest.raises(UnknownModel):
        await told(member("hub", bare=True), action, "../../etc/passwd")


async def test_an_order_that_nobody_knows_names_those_that_there_are(member: MakeMember) -> None:
    with pytest.raises(UnknownQuery) as caught:
        await told(member("hub", bare=True), "juggle", "news")
    assert "fetch, pin, remove, unpin" in caught.value.hint


class _Recording(BroughtBundle):
    """A bundle that remembers what it was asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.fetches: list[Fetch] = []

    @override
    def answer(self, fetch: Fetch) -> Any:
        if fetch.subject == "pieces":
            self.fetches.append(fetch)
        return super().answer(fetch)


def _run(fetch: Fetch) -> range:
    return range(fetch.first, fetch.first + fetch.count)


async def _bring_some(socket: Path, bundle: BroughtBundle, *, answers: int) -> set[int]:
    """Begin to add a bundle, vanish after so many answers, and return which pieces were given."""
    given: set[int] = set()
    fetches = 0
    gone = asyncio.get_running_loop().create_future()

    def heard(session: Session, message: Message, _payload: memoryview) -> None:
        nonlocal fetches
        if not isinstance(message, Fetch) or gone.done():
            return
        fetches += 1
        if fetches > answers:
            session.close()
            gone.set_result(None)
            return
        session.send(*bundle.answer(message))
        given.update(_run(message) if message.subject == "pieces" else ())

    session = await _session(socket)
    session.on_message = heard
    session.send(install_message(), (bundle.text,))
    await gone
    await session.closed()
    return given


async def _bring(socket: Path, bundle: BroughtBundle) -> bool:
    session = await _session(socket)
    done = asyncio.get_running_loop().create_future()

    def heard(session: Session, message: Message, _payload: memoryview) -> None:
        if isinstance(message, Fetch):
            session.send(*bundle.answer(message))
        else:
            done.set_result(structs.asdict(message))

    session.on_message = heard
    request = install_message()
    session.send(request, (bundle.text,))
    ended = await done
    session.close()
    await session.closed()
    return bool(ended == {"request_id": request.request_id})


async def _session(socket: Path) -> Session:
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(socket=socket)
    _, session = await loop.create_unix_connection(
        lambda: Session(lambda: hello("test", endpoint), dialled=True), str(socket)
    )
    session.greet()
    await session.opened()
    return session
