"""Models travel between nodes: only what is vouched for, verified piece by piece, and each node takes its own tier."""

import asyncio
from functools import partial

import pytest
from msgspec.structs import replace

from meshd.core.ids import ModelName
from meshd.daemon.models import keeper
from meshd.documents import Taken
from meshd.wire.messages import Fetch, Fetched, Inventory, Message
from model_registry.trust.publisher import Publishers
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import PATIENCE_S, Member, introduced, join, until
from tests.daemon.models.family import Family, family
from tests.daemon.processes import CASCADE, check_climbed
from tests.daemon.toys import CALM, GRAVE, ODD, window

pytestmark = pytest.mark.usefixtures("checks_in_process")

HEAVY_BYTES = 60 * 4096


def trusting(publisher: SigningKey, **models: object) -> dict[str, object]:
    return {"publishers": [publisher.publisher], **models}


async def keep(member: Member, made: Family, *tiers: str) -> None:
    """Put a family into a node's store, and let the node host what it can of it."""
    for tier in tiers or ("watch", "phone", "hub"):
        with member.store.incoming(made.artifact(tier), made.map(tier)) as incoming:
            for index in incoming.missing():
                incoming.put(index, made.pieces(tier, index, 1))
            incoming.finish()
    member.store.add_manifest(made.text)
    member.keeper.catalogue.learn(made.manifest)
    await member.keeper.hosting.rehost()


def hosts(member: Member, made: Family, tier: str) -> bool:
    return made.artifact(tier) in {hosted.artifact for hosted in member.node.scheduler.profile.hosted}


def asked_for(member: Member, artifact: str) -> list[Fetch]:
    """Return the pieces' questions that have reached a node."""
    fetches = (message for _, message, _ in member.received if isinstance(message, Fetch))
    return [fetch for fetch in fetches if fetch.subject == "pieces" and fetch.sha256 == artifact]


def given(borrower: Member, lender: Member, made: Family, tier: str) -> set[int]:
    """Return the pieces that a lender has really sent."""
    sizes = {m.request_id: len(payload) for _, m, payload in borrower.received if isinstance(m, Fetched)}
    length = made.map(tier).extent(0)[1]
    runs = ((f.first, -(-sizes.get(f.request_id, 0) // length)) for f in asked_for(lender, made.artifact(tier)))
    return {index for first, count in runs for index in range(first, first + count)}


async def test_a_model_added_on_the_hub_arrives_everywhere_as_each_ones_own_tier(
    member: MakeMember, publisher: SigningKey
) -> None:
    nodes = [member(name, bare=True, models=trusting(publisher)) for name in ("watch", "phone", "hub")]
    watch, phone, hub = nodes
    for one, two in ((watch, phone), (phone, hub), (watch, hub)):
        join(one, two)
    await introduced(*nodes)
    await keep(hub, made := family(publisher))
    for node in nodes:
        await until(partial(hosts, node, made, node.name), f"its tier on {node.name}")
    await until(lambda: len(watch.node.scheduler.view.hosting.of(ModelName("news")).all) == 3)
    for mean, enough in zip((CALM, ODD, GRAVE), CASCADE, strict=True):
        check_climbed(await watch.client().infer(window(mean), model="news"), enough)
    assert [set(node.store.artifacts()) for node in (watch, phone)] == [
        {made.artifact("watch")},
        {made.artifact("phone")},
    ]


async def test_a_fetch_that_was_cut_goes_on_where_it_stopped(member: MakeMember, publisher: SigningKey) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made := family(publisher, ballast_bytes=HEAVY_BYTES))
    phone = member("phone", bare=True, models=trusting(publisher))
    answers: list[Message] = []

    def cut(message: Message) -> None:
        answers.extend([message] if isinstance(message, Fetched) else ())
        if len(answers) == 5:  # The manifest, the map of the pieces, and three runs of them.
            phone.sessions[hub.id].abort()

    phone.overhears = cut
    join(phone, hub)
    await until(lambda: len(answers) == 5 and not phone.sessions, "the cut")
    await until(lambda: not phone.keeper.arriving(), "what had come to be written")
    artifact = made.artifact("phone")
    first = given(phone, hub, made, "phone")
    assert 0 < len(first) < made.map("phone").count
    assert artifact not in phone.store.artifacts()
    await phone.stop()

    again = member("phone", bare=True, models=trusting(publisher))
    hub.received.clear()
    join(again, hub)
    await until(lambda: hosts(again, made, "phone"), "the whole model")
    assert given(again, hub, made, "phone") == set(range(made.map("phone").count)) - first


async def test_two_sources_share_the_work(member: MakeMember, publisher: SigningKey) -> None:
    made = family(publisher, ballast_bytes=HEAVY_BYTES)
    lenders = [member("hub", name=name, bare=True, models=trusting(publisher)) for name in ("attic", "cellar")]
    for lender in lenders:
        await keep(lender, made)
    phone = member("phone", bare=True, models=trusting(publisher, fetch="none"))
    for lender in lenders:
        join(phone, lender)
    await until(lambda: len([s for s in phone.keeper.exchange.sources() if s.inventory.offers]) == 2)
    await phone.keeper.orders.acts["fetch"](ModelName("news"))
    parts = [given(phone, lender, made, "phone") for lender in lenders]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == set(range(made.map("phone").count))


async def test_an_unsigned_model_is_neither_offered_nor_lent(member: MakeMember, publisher: SigningKey) -> None:
    hub = member("hub", bare=True)
    await keep(hub, made := family())
    phone = member("phone", bare=True, models=trusting(publisher))
    join(phone, hub)
    await introduced(phone, hub)
    assert hub.keeper._lender.inventory == Inventory()
    [source] = phone.keeper.exchange.sources()
    source.inventory = Inventory(artifacts=(made.artifact("phone"),))
    with pytest.raises(Exception, match="can be had from nobody"):
        await phone.keeper.fetcher.fetch_pieces(made.artifact("phone"), made.map("phone"), [0])


async def test_a_publisher_whom_nobody_trusts_here_is_not_even_asked_about(
    member: MakeMember, publisher: SigningKey
) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made := family(publisher))
    phone = member("phone", bare=True)
    join(phone, hub)
    await until(lambda: any(isinstance(message, Inventory) for _, message, _ in phone.received))
    await introduced(phone, hub)
    with pytest.raises(Exception, match="not trusted here"):
        await phone.keeper.orders.acts["fetch"](ModelName("news"))
    assert [m.subject for _, m, _ in hub.received if isinstance(m, Fetch)] == ["manifest"]
    assert not hosts(phone, made, "phone")


async def test_a_newer_version_takes_the_place_of_the_older_one(member: MakeMember, publisher: SigningKey) -> None:
    old, new = family(publisher), family(publisher, version="1.1.0")
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, old)
    phone = member("phone", bare=True, models=trusting(publisher))
    join(phone, hub)
    await until(lambda: hosts(phone, old, "phone"), "the old version")
    await keep(hub, new)
    await until(lambda: hosts(phone, new, "phone"), "the new version")
    assert set(phone.store.artifacts()) == {new.artifact("phone")}
    assert not hosts(phone, old, "phone")
    assert not hosts(hub, old, "hub")
    result = await phone.client().infer(window(CALM), model="news", min_tier="phone")
    assert (result.answer.version, result.answer.tier) == ("1.1.0", "phone")


async def test_a_newer_version_with_nothing_for_this_node_leaves_it_what_it_runs(
    member: MakeMember, publisher: SigningKey
) -> None:
    phone, hub = (member(name, bare=True, models=trusting(publisher)) for name in ("phone", "hub"))
    await keep(phone, old := family(publisher))
    newer = family(publisher, version="2.0.0")
    tiers = tuple(tier for tier in newer.manifest.tiers if tier.name == "hub")
    await keep(hub, replace(newer, manifest=signed(replace(newer.manifest, tiers=tiers), publisher)))
    join(phone, hub)
    await until(lambda: phone.keeper.problems, "the refusal")
    assert "has nothing that this node could run; the one that is here stays" in phone.keeper.problems[0].sentence
    assert (phone.store.open("news").version, hosts(phone, old, "phone")) == ("1.0.0", True)


async def test_an_older_version_is_not_taken_over(member: MakeMember, publisher: SigningKey) -> None:
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, family(publisher))
    phone = member("phone", bare=True, models=trusting(publisher))
    await keep(phone, family(publisher, version="2.0.0"), "phone")
    join(phone, hub)
    await until(lambda: [s for s in phone.keeper.exchange.sources() if s.inventory.offers])
    with pytest.raises(Exception, match="older than the installed"):
        await phone.keeper.orders.acts["fetch"](ModelName("news"))


async def test_a_node_follows_whom_its_person_trusts_while_it_runs(
    member: MakeMember, publisher: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_S", 0.01)
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made := family(publisher))
    phone = member("phone", bare=True)
    join(phone, hub)
    await until(lambda: [s for s in phone.keeper.exchange.sources() if s.inventory.offers])
    trusted = Publishers(phone.config.publishers_path)
    trusted.trust(publisher.publisher)
    await until(lambda: hosts(phone, made, "phone"), "the model of the publisher who is trusted now")
    trusted.untrust(publisher.publisher)
    await until(lambda: not hosts(phone, made, "phone"), "its end")
    assert "not trusted here" in phone.keeper.catalogue.problems[0].sentence
    phone.config.publishers_path.write_text("damaged")
    await introduced(phone, hub)
    phone.config.publishers_path.unlink()
    trusted.trust(publisher.publisher)
    await until(lambda: hosts(phone, made, "phone"), "its return")
    assert phone.keeper.problems == []


async def test_who_fetches_what_cannot_run_here_hears_why(member: MakeMember, publisher: SigningKey) -> None:
    made = family(publisher)
    tiers = tuple(
        replace(tier, variants=(replace(tier.variants[0], hardware=("cuda",)),)) for tier in made.manifest.tiers
    )
    made = replace(made, manifest=signed(replace(made.manifest, tiers=tiers, signature=None), publisher))
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, made)
    phone = member("phone", bare=True, models=trusting(publisher, fetch="none"))
    join(phone, hub)
    await until(lambda: [s for s in phone.keeper.exchange.sources() if s.inventory.offers])
    taken = await phone.keeper.orders.acts["fetch"](ModelName("news"))
    assert isinstance(taken, Taken)
    assert taken.hosted is None
    assert [why.partition(" is made for cuda")[0] for why in taken.obstacles] == [
        "news/phone/toy-fp32",
        "news/watch/toy-fp32",
    ]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_node_that_is_stirred_in_the_moment_of_its_end_ends(member: MakeMember, turns: int) -> None:
    phone = member("phone", bare=True)
    await asyncio.sleep(0)
    phone.keeper.exchange.on_offers()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        await phone.keeper.close()
