"""What was true when a model began to come, and is not any more when it is here."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from meshd.daemon.models import keeper
from meshd.documents import Done, Taken
from meshd.errors import ModelRefused
from meshd.net.memory import session_pair
from meshd.wire.messages import Document, Fetch, Fetched, Hello, Install, Inventory, Message, Refusal
from model_registry.trust.publisher import Publishers
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, until
from tests.daemon.models.family import Family, family
from tests.daemon.models.test_distribution import hosts, keep, trusting
from tests.daemon.puppet import Puppet

pytestmark = pytest.mark.usefixtures("checks_in_process")


def answer(fetch: Fetch, *families: Family) -> bytes:
    """Return what an honest lender of these families gives."""
    made = next(made for made in families if fetch.sha256 in {made.offer.manifest, *map(made.artifact, made.contents)})
    if fetch.subject == "manifest":
        return made.text.encode()
    tier = next(tier for tier in made.contents if made.artifact(tier) == fetch.sha256)
    return made.map(tier).encoded if fetch.subject == "piece_map" else made.pieces(tier, fetch.first, fetch.count)


class Hesitating(Puppet):
    """Lends families, and gives the pieces of the first one only when it is let."""

    def __init__(self, *families: Family) -> None:
        super().__init__("hesitating", "hub")
        self.held: list[Fetch] = []
        self._families = families
        self._kept_back = set(map(families[0].artifact, families[0].contents))

    async def lend(self, member: Member) -> None:
        await self.meet(member)
        self.session.on_message = lambda _session, message, _payload: self._heard(message)
        artifacts = tuple(made.artifact(tier) for made in self._families for tier in made.contents)
        self.say(Inventory(offers=tuple(made.offer for made in self._families), artifacts=artifacts))

    def let_go(self) -> None:
        self._kept_back = set()
        for fetch in self.held:
            self._heard(fetch)

    def _heard(self, message: Message) -> None:
        if isinstance(message, Fetch) and message.sha256 in self._kept_back:
            self.held.append(message)
        elif isinstance(message, Fetch):
            self.say(Fetched(request_id=message.request_id), (answer(message, *self._families),))


class Bringer:
    """A client that brings a model, and gives its pieces only when it is let."""

    def __init__(self, member: Member, made: Family) -> None:
        self.session, theirs = session_pair(lambda: Hello(role="client", name="test"), member.hello)
        theirs.on_open = member.reception.welcome
        self.session.on_message = lambda _session, message, payload: self._heard(message, bytes(payload))
        self.held: list[Fetch] = []
        self.outcome: asyncio.Future[Taken | Refusal] = asyncio.get_running_loop().create_future()
        self._made = made
        self._may_give = False

    async def bring(self) -> None:
        await self.session.opened()
        self.session.send(Install(request_id="install"), (self._made.text.encode(),))

    def let_go(self) -> None:
        self._may_give = True
        for fetch in self.held:
            self._give(fetch)

    def _give(self, fetch: Fetch) -> None:
        self.session.send(Fetched(request_id=fetch.request_id), (answer(fetch, self._made),))

    def _heard(self, message: Message, payload: bytes) -> None:
        match message:
            case Fetch() if self._may_give:
                self._give(message)
            case Fetch():
                self.held.append(message)
            case Refusal():
                self.outcome.set_result(message)
            case Document():
                self.outcome.set_result(msgspec.json.decode(payload, type=Taken))


async def test_a_model_that_is_removed_while_another_one_comes_does_not_come_back(
    member: MakeMember, publisher: SigningKey
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    first, old = family(publisher, name="first"), family(publisher, name="second")
    await keep(phone, old)
    lender = Hesitating(first, family(publisher, name="second", version="2.0.0"))
    await lender.lend(phone)
    await until(lambda: lender.held, "the question for the first one")
    assert isinstance(await phone.keeper.orders.acts["remove"](old.model), Done)
    phone.keeper._acquirer.stir()
    lender.let_go()
    await until(lambda: hosts(phone, first, "phone"))
    await until(lambda: not phone.keeper._acquirer._stirred.is_set(), "its next look")
    assert phone.store.models() == ("first",)


async def test_what_is_trusted_no_longer_when_it_has_come_is_not_run(
    member: MakeMember, publisher: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_S", 0.01)
    phone, made = member("phone", bare=True), family(publisher)
    publishers = Publishers(phone.config.publishers_path)
    publishers.trust(publisher.publisher)
    lender = Hesitating(made)
    await lender.lend(phone)
    await until(lambda: lender.held, "the question for it")
    publishers.untrust(publisher.publisher)
    lender.let_go()
    await until(lambda: phone.keeper.problems, "the refusal")
    assert "who is not trusted here" in phone.keeper.problems[0].sentence
    assert phone.store.models() == ()


@pytest.mark.parametrize("rival", ["older", "another publisher's"])
async def test_of_two_that_are_brought_at_once_the_second_may_replace_no_more_than_it_might_have_later(
    member: MakeMember, publisher: SigningKey, rival: str
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    newer = Bringer(phone, family(publisher, version="2.0.0"))
    other = Bringer(phone, family(publisher if rival == "older" else None))
    await newer.bring()
    await until(lambda: newer.held, "the question for the newer")
    await other.bring()
    await until(lambda: len(phone.keeper.installer._bringing) == 2, "both")
    newer.let_go()
    other.let_go()
    assert isinstance(await newer.outcome, Taken)
    refusal = await other.outcome
    assert isinstance(refusal, Refusal)
    assert refusal.code == ModelRefused.code
    assert phone.store.open("news").version == "2.0.0"
    for bringer in (newer, other):
        bringer.session.close()
        await bringer.session.closed()


async def test_nothing_is_kept_of_a_client_that_has_gone_before_its_manifest_was_read(
    member: MakeMember, publisher: SigningKey
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    hasty = Bringer(phone, family(publisher))
    await hasty.bring()
    await until(lambda: phone.keeper.installer._tasks, "its task")
    hasty.session.abort()
    await until(lambda: not phone.keeper.installer._tasks, "the end of it")
    assert phone.keeper.installer._bringing == {}
