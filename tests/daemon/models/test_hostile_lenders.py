"""A peer that lies, stalls, vanishes or floods costs time, and never correctness."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from threading import Event

import pytest
from msgspec.structs import replace
from typing_extensions import override

from meshd.core.node import Telemetry
from meshd.daemon.models import acceptance, acquirer
from meshd.daemon.models import lender as lending
from meshd.daemon.models.source import Source, Subject
from meshd.documents import Taken
from meshd.errors import NobodyHasIt, Overloaded
from meshd.wire.messages import MAX_OFFERS, Fetch, Fetched, Heartbeat, Inventory, Message, Offer, Refusal
from model_registry import manifest as manifests
from model_registry.manifest import Manifest
from model_registry.trust.signature import verify
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, join, until
from tests.daemon.models.family import Family, family
from tests.daemon.models.test_distribution import HEAVY_BYTES, hosts, keep, trusting
from tests.daemon.puppet import Puppet
from tests.daemon.toys import CALM, window

pytestmark = pytest.mark.usefixtures("checks_in_process")

Answer = Callable[[Fetch], bytes | None]
NEVER = "f" * 64
SUBJECTS: tuple[Subject, ...] = ("manifest", "piece_map", "pieces")


class LendingPuppet(Puppet):
    """A peer that says that it lends a family, and answers as a test decides; none: not at all."""

    def __init__(self, name: str, made: Family, answer: Answer) -> None:
        super().__init__(name, "hub")
        self.made = made
        self.asked_for: list[Fetch] = []
        self._answer = answer

    async def lend(self, member: Member, *, offers: tuple[Offer, ...] | None = None) -> None:
        await self.meet(member)
        self.session.on_message = lambda _session, message, _payload: self._heard(message)
        self.offer((self.made.offer,) if offers is None else offers)

    def offer(self, offers: tuple[Offer, ...]) -> None:
        artifacts = tuple(self.made.artifact(tier) for tier in self.made.contents)
        self.say(Inventory(offers=offers, artifacts=artifacts))

    def _heard(self, message: Message) -> None:
        if not isinstance(message, Fetch):
            return
        self.asked_for.append(message)
        content = self._answer(message)
        if content is not None:
            self.say(Fetched(request_id=message.request_id), (content,))


def honest(made: Family) -> Answer:
    def answer(fetch: Fetch) -> bytes:
        if fetch.subject == "manifest":
            return made.text.encode()
        if fetch.subject == "piece_map":
            return made.map("phone").encoded
        return made.pieces("phone", fetch.first, fetch.count)

    return answer


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def lying_about(subject: str, made: Family) -> Answer:
    """Flip a bit of every answer about one subject."""
    truth = honest(made)
    return lambda fetch: flipped(truth(fetch) or b"?") if fetch.subject == subject else truth(fetch)


def answers(borrower: Puppet) -> list[Fetched | Refusal]:
    return [message for message, _ in borrower.received if isinstance(message, Fetched | Refusal)]


@pytest.fixture
def made(publisher: SigningKey) -> Family:
    return family(publisher, ballast_bytes=HEAVY_BYTES)


@pytest.mark.parametrize("subject", ["manifest", "piece_map", "pieces"])
async def test_a_liar_is_left_alone_and_somebody_else_gives_the_model(
    member: MakeMember, publisher: SigningKey, made: Family, subject: str
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    liar = LendingPuppet("liar", made, lying_about(subject, made))
    await liar.lend(phone)
    await until(lambda: not phone.keeper.exchange.sources()[0].is_willing, "the lie")
    asked = len(liar.asked_for)
    assert not hosts(phone, made, "phone")
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    join(phone, hub)
    await until(lambda: hosts(phone, made, "phone"), "the model from the other one")
    assert len(liar.asked_for) == asked


async def test_calling_again_makes_no_liar_honest(member: MakeMember, publisher: SigningKey, made: Family) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    liar = LendingPuppet("liar", made, lying_about("pieces", made))
    await liar.lend(phone)
    await until(lambda: not phone.keeper.exchange.sources()[0].is_willing, "the lie")
    liar.session.abort()
    await until(lambda: not phone.keeper.exchange.sources())
    await liar.lend(phone)
    await until(lambda: [s for s in phone.keeper.exchange.sources() if s.inventory.offers])
    assert not phone.keeper.exchange.sources()[0].is_willing


async def test_what_a_silent_peer_owes_is_had_from_another(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher, fetch="none"))
    truth = honest(made)
    mute = LendingPuppet("mute", made, lambda fetch: None if fetch.subject == "pieces" else truth(fetch))
    true = LendingPuppet("true", made, truth)
    await mute.lend(phone)
    lose_patience_with_pieces_of(phone.keeper.exchange.sources()[0])
    await true.lend(phone)
    await until(lambda: all(source.inventory.offers for source in phone.keeper.exchange.sources()))
    taken = await phone.keeper.orders.acts["fetch"](made.model)
    assert isinstance(taken, Taken)
    assert (taken.hosted, hosts(phone, made, "phone")) == ("phone/toy-fp32", True)
    assert [fetch for fetch in mute.asked_for if fetch.subject == "pieces"]


def lose_patience_with_pieces_of(source: Source) -> None:
    """Wait for nothing but pieces so briefly that a busy machine might be taken for a silent peer."""
    ask, patience_s = source.ask, source._patience_s

    async def hurried(subject: Subject, sha256: str, **run: int) -> memoryview:
        source._patience_s = 0.05 if subject == "pieces" else patience_s
        return await ask(subject, sha256, **run)

    source.ask = hurried  # type: ignore[method-assign]


async def test_a_peer_that_vanishes_in_the_middle_costs_nothing_that_came(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    truth = honest(made)

    def vanish(fetch: Fetch) -> bytes | None:
        if fetch.subject == "pieces" and fetch.first > 4:
            brief.session.abort()
            return None
        return truth(fetch)

    brief = LendingPuppet("brief", made, vanish)
    await brief.lend(phone)
    await until(lambda: not phone.keeper.exchange.sources(), "its end")
    true = LendingPuppet("true", made, truth)
    await true.lend(phone)
    await until(lambda: hosts(phone, made, "phone"), "the model")
    assert min(fetch.first for fetch in true.asked_for if fetch.subject == "pieces") > 0


@pytest.mark.parametrize(
    "offer",
    [
        {"version": "9.9.9"},
        {"model": "other"},
    ],
)
async def test_an_offer_that_is_not_what_its_manifest_says_is_passed_over(
    member: MakeMember, publisher: SigningKey, made: Family, offer: dict[str, str]
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    sly = LendingPuppet("sly", made, honest(made))
    await sly.lend(phone, offers=(made.offered(**offer),))
    await until(lambda: phone.keeper.problems, "the refusal")
    assert "which is another one" in phone.keeper.problems[0].sentence
    assert {fetch.subject for fetch in sly.asked_for} == {"manifest"}


def made_up(publisher: SigningKey, model: str) -> Offer:
    """Return an offer of a version that nobody has signed, in the name of somebody who is trusted."""
    manifest = sha256(model.encode()).hexdigest()
    return Offer(model=model, version="9.9.9", publisher=publisher.publisher, manifest=manifest)


class Refuser(LendingPuppet):
    """Offers, and gives nothing; ``then`` is called once it has said so."""

    def __init__(self, name: str, made: Family, answer: Answer, *, then: Callable[[], None] = lambda: None) -> None:
        super().__init__(name, made, answer)
        self._then = then

    def was_asked_for(self, offers: Iterable[Offer]) -> bool:
        return {offer.manifest for offer in offers} <= {fetch.sha256 for fetch in self.asked_for}

    @override
    def _heard(self, message: Message) -> None:
        if isinstance(message, Fetch):
            self.asked_for.append(message)
            self.say(Refusal(request_id=message.request_id, code="not_lent", message=""))
            self._then()


@pytest.mark.parametrize("fetch", ["all", "none"])
async def test_a_made_up_newer_version_keeps_out_no_real_one(
    member: MakeMember, publisher: SigningKey, made: Family, fetch: str
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher, fetch=fetch))
    boaster = Refuser("boaster", made, honest(made))
    true = LendingPuppet("true", made, honest(made))
    await boaster.lend(phone, offers=(made_up(publisher, made.model),))
    await true.lend(phone)
    await until(lambda: all(source.inventory.offers for source in phone.keeper.exchange.sources()))
    if fetch == "none":
        await phone.keeper.orders.acts["fetch"](made.model)
    await until(lambda: hosts(phone, made, "phone"), "the real one")


async def test_names_that_a_peer_makes_up_fill_no_memory(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    boaster = Refuser("boaster", made, honest(made))
    await boaster.lend(phone, offers=())
    for batch in range(4):
        offers = tuple(made_up(publisher, f"model-{batch}-{number}") for number in range(MAX_OFFERS))
        boaster.offer(offers)
        await until(lambda offers=offers: boaster.was_asked_for(offers), "the questions")
    await until(lambda: len(phone.keeper.problems) == acquirer.MOST_PROBLEMS)


async def test_what_somebody_else_offers_while_it_is_refused_is_had_at_once(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    true = LendingPuppet("true", made, honest(made))
    await true.lend(phone, offers=())
    refuser = Refuser("refuser", made, honest(made), then=lambda: true.offer((made.offer,)))
    await refuser.lend(phone)
    await until(lambda: hosts(phone, made, "phone"), "the model from the other one")


async def test_a_peer_that_offers_what_was_never_signed_is_asked_for_nothing_more(
    member: MakeMember, publisher: SigningKey, made: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(manifest: Manifest) -> None:
        checked.append(manifest.version)
        verify(manifest)

    monkeypatch.setattr(acceptance, "check", check)
    phone = member("phone", bare=True, models=trusting(publisher))
    forged = [replace(made.manifest, version=f"{number}.0.0") for number in range(2, 9)]
    texts = {sha256(manifests.dumps(form).encode()).hexdigest(): manifests.dumps(form).encode() for form in forged}
    offers = zip(texts, forged, strict=True)
    forger = LendingPuppet("forger", made, lambda fetch: texts.get(fetch.sha256))
    await forger.lend(
        phone, offers=tuple(replace(made.offered(version=form.version), manifest=digest) for digest, form in offers)
    )
    await until(lambda: not phone.keeper.exchange.sources()[0].is_willing, "the forgery")
    true = LendingPuppet("true", made, honest(made))
    await true.lend(phone)
    await until(lambda: hosts(phone, made, "phone"), "the real one")
    assert checked == ["8.0.0", "1.0.0"]


async def test_who_asks_for_too_much_at_once_is_told_to_come_back(
    member: MakeMember, publisher: SigningKey, made: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    read, gate = hub.store.read_pieces, Event()
    monkeypatch.setattr(hub.store, "read_pieces", lambda *asked: gate.wait(10.0) and read(*asked))
    greedy = Puppet("greedy", "phone")
    await greedy.meet(hub)
    for number in range(3 * lending.MOST_PER_BORROWER):
        greedy.say(Fetch(request_id=f"r{number}", subject="pieces", sha256=made.artifact("hub"), count=4))
    await until(lambda: len(answers(greedy)) == 2 * lending.MOST_PER_BORROWER, "the refusals")
    assert {answer.code for answer in answers(greedy) if isinstance(answer, Refusal)} == {Overloaded.code}
    gate.set()
    await until(lambda: len(answers(greedy)) == 3 * lending.MOST_PER_BORROWER, "the rest")
    assert len([answer for answer in answers(greedy) if isinstance(answer, Fetched)]) == lending.MOST_PER_BORROWER


async def test_a_borrower_that_does_not_read_is_lent_nothing_more(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    sent: list[Message] = []

    def send(message: Message, _parts: object) -> bool:
        sent.append(message)
        return True

    borrower = lending.Borrower("deaf", send, lambda: 2**30)
    hub.keeper._lender.serve(borrower, Fetch(request_id="r", subject="pieces", sha256=made.artifact("hub")))
    assert [type(message) for message in sent] == [Refusal]


@pytest.mark.parametrize(
    "fetch",
    [
        Fetch(request_id="r", subject="manifest", sha256=NEVER),
        Fetch(request_id="r", subject="piece_map", sha256=NEVER),
        Fetch(request_id="r", subject="pieces", sha256=NEVER),
    ],
)
async def test_what_is_not_lent_is_refused(
    member: MakeMember, publisher: SigningKey, made: Family, fetch: Fetch
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    stranger = Puppet("stranger", "phone")
    await stranger.meet(hub)
    stranger.say(fetch)
    await until(lambda: [m for m, _ in stranger.received if isinstance(m, Refusal)], "the refusal")
    [refusal] = [m for m, _ in stranger.received if isinstance(m, Refusal)]
    assert (refusal.request_id, refusal.code) == ("r", "not_lent")


async def test_pieces_beyond_the_end_are_refused(member: MakeMember, publisher: SigningKey, made: Family) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    stranger = Puppet("stranger", "phone")
    await stranger.meet(hub)
    count = made.map("hub").count
    stranger.say(Fetch(request_id="r", subject="pieces", sha256=made.artifact("hub"), first=count - 1, count=2))
    await until(lambda: [m for m, _ in stranger.received if isinstance(m, Refusal)], "the refusal")


async def test_nobody_has_what_nobody_names(member: MakeMember, made: Family) -> None:
    phone = member("phone", bare=True)
    with pytest.raises(NobodyHasIt):
        await asyncio.wait_for(
            phone.keeper.fetcher.fetch_pieces(made.artifact("hub"), made.map("hub"), range(3)), timeout=5.0
        )


@pytest.mark.parametrize("seed", range(4))
async def test_no_sequence_of_messages_about_models_harms_a_node(
    member: MakeMember, publisher: SigningKey, made: Family, seed: int
) -> None:
    hub = member("hub", models=trusting(publisher))
    await keep(hub, made)
    mad = Puppet("mad", "phone")
    await mad.meet(hub)
    for message, payload in _madness(random.Random(seed), made):
        mad.say(message, (payload,) if payload else ())
    mad.say(Heartbeat(sequence=2**40, telemetry=Telemetry()))
    await until(lambda: any(isinstance(m, Heartbeat) and m.sequence == 2**40 for m, _ in mad.received), "its echo")
    assert (await hub.client().infer(window(CALM), model="news")).tier == "hub"
    assert (await hub.client().infer(window(CALM))).tier == "hub"


def _madness(chance: random.Random, made: Family) -> Iterator[tuple[Message, bytes]]:
    """Yield messages that the types allow and no sane peer sends."""
    hashes = [made.artifact("hub"), made.offer.manifest, NEVER]
    for number in range(150):
        request_id = chance.choice([f"r{number}", "same", "fetch-"])
        digest = chance.choice(hashes)
        subject = chance.choice(SUBJECTS)
        first, count = chance.choice([0, 1, 1023]), chance.choice([1, 2, 1024])
        offers = tuple(made.offered(version=f"{chance.randrange(9)}.0.0") for _ in range(chance.randrange(3)))
        options: list[tuple[Message, bytes]] = [
            (Fetch(request_id=request_id, subject=subject, sha256=digest, first=first, count=count), b""),
            (Fetched(request_id=request_id), chance.randbytes(chance.randrange(50))),
            (Refusal(request_id=request_id, code=chance.choice(["overloaded", "left", "?"]), message=""), b""),
            (Inventory(offers=offers, artifacts=tuple(chance.sample(hashes, 2))), b""),
        ]
        yield chance.choice(options)


async def test_a_problem_ends_with_its_cause(
    member: MakeMember, publisher: SigningKey, made: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquirer, "LOOK_S", 0.01)
    phone = member("phone", bare=True, models=trusting(publisher))
    await LendingPuppet("liar", made, lying_about("pieces", made)).lend(phone)
    await until(lambda: phone.keeper.problems, "the problem")
    assert "can be had from nobody now" in phone.keeper.problems[0].sentence
    await keep(phone, made)
    await until(lambda: phone.keeper.problems == [], "its end")
