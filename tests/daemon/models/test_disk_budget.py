"""The disk budget holds at every moment; what was unused for longest goes, what is pinned or in use stays."""

import pytest
import pytest_asyncio

from meshd.core.ids import ModelName
from meshd.daemon.models.acquisition import Wish
from meshd.errors import NoRoom
from meshd.wire.messages import Message
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, join, until
from tests.daemon.models.family import Family, family
from tests.daemon.models.test_distribution import hosts, keep, trusting
from tests.daemon.toys import CALM, window

pytestmark = pytest.mark.usefixtures("checks_in_process")

BUDGET_BYTES = 2**20
BALLAST_BYTES = 400_000
"""Two fit, three do not."""


def occupied_bytes(member: Member) -> int:
    return sum(member.store.artifacts().values()) + sum(member.store.begun().values())


def watched(member: Member) -> list[int]:
    """Record what the store occupies with every message that comes."""
    seen: list[int] = []

    def look(_message: Message) -> None:
        seen.append(occupied_bytes(member))

    member.overhears = look
    return seen


@pytest.fixture
def families(publisher: SigningKey) -> list[Family]:
    return [family(publisher, name=name, ballast_bytes=BALLAST_BYTES) for name in ("one", "two", "three")]


@pytest_asyncio.fixture
async def hub(member: MakeMember, publisher: SigningKey) -> Member:
    return member("hub", bare=True, models=trusting(publisher))


@pytest_asyncio.fixture
async def phone(member: MakeMember, publisher: SigningKey) -> Member:
    return member("phone", bare=True, models=trusting(publisher, disk_budget_bytes=BUDGET_BYTES))


async def test_what_runs_here_does_not_go_for_what_nobody_asked_for(
    hub: Member, phone: Member, families: list[Family]
) -> None:
    one, two, three = families
    for made in (one, two):
        await keep(phone, made, "phone")
    await keep(hub, three)
    join(phone, hub)
    await until(lambda: phone.keeper.problems, "the problem")
    assert "does not fit into the disk budget" in phone.keeper.problems[0].sentence
    assert [hosts(phone, made, "phone") for made in families] == [True, True, False]


@pytest.mark.parametrize(
    ("used", "pinned"),
    [("one", ""), ("two", ""), ("one", "two")],
    ids=["the older was used later", "the newer was used later", "the unused one is pinned"],
)
async def test_what_a_person_asks_for_takes_the_place_of_what_was_unused_for_longest(
    hub: Member, phone: Member, families: list[Family], used: str, pinned: str
) -> None:
    for made in families[:2]:
        await keep(phone, made, "phone")
    await phone.client().infer(window(CALM), model=used)
    if pinned:
        await phone.keeper.orders.acts["pin"](ModelName(pinned))
    await keep(hub, families[2])
    occupied = watched(phone)
    join(phone, hub)
    await until(lambda: [s for s in phone.keeper.exchange.sources() if s.inventory.offers])
    await phone.keeper.orders.acts["fetch"](families[2].model)
    assert {made.model for made in families if hosts(phone, made, "phone")} == {pinned or used, "three"}
    assert BUDGET_BYTES / 2 < max(occupied) <= BUDGET_BYTES


async def test_a_model_for_which_only_pinned_ones_would_have_to_go_is_refused(
    hub: Member, phone: Member, families: list[Family]
) -> None:
    for made in families[:2]:
        await keep(phone, made, "phone")
        await phone.keeper.orders.acts["pin"](made.model)
    await keep(hub, families[2])
    join(phone, hub)
    await until(lambda: [s for s in phone.keeper.exchange.sources() if s.inventory.offers])
    with pytest.raises(NoRoom) as caught:
        await phone.keeper.orders.acts["fetch"](families[2].model)
    assert "unpin" in caught.value.hint
    assert not phone.store.begun()
    assert all(hosts(phone, made, "phone") for made in families[:2])


async def test_a_hub_keeps_what_others_want_as_far_as_there_is_room(
    member: MakeMember, publisher: SigningKey, hub: Member, families: list[Family]
) -> None:
    small = member(
        "hub", name="small", bare=True, models=trusting(publisher, fetch="none", disk_budget_bytes=BUDGET_BYTES)
    )
    await keep(hub, families[0])
    join(small, hub)
    await until(lambda: [s for s in small.keeper.exchange.sources() if s.inventory.offers])
    wish = Wish(
        manifest=families[0].manifest,
        text=families[0].text,
        check=small.keeper.catalogue.acceptance.check_new,
        sources=small.keeper.exchange.sources,
        wants_all=True,
    )
    taken = await small.keeper._acquisition.carry_out(wish)
    assert (taken.kept, taken.left_out) == (("watch/toy-fp32", "hub/toy-fp32"), ("phone/toy-fp32",))
    assert ModelName("one") in small.keeper.hosting.hosted_models()


async def test_a_download_that_nobody_goes_on_with_gives_way(
    hub: Member, phone: Member, families: list[Family]
) -> None:
    one, two, three = families
    for made in (one, two):
        with phone.store.incoming(made.artifact("phone"), made.map("phone")) as incoming:
            incoming.put(0, made.pieces("phone", 0, 1))
    await keep(hub, three)
    occupied = watched(phone)
    join(phone, hub)
    await until(lambda: hosts(phone, three, "phone"), "the third")
    assert phone.store.begun() == {}
    assert max(occupied) <= BUDGET_BYTES
