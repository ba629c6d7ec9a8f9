"""Damage is found, mended from peers or kept from use, and no request fails by it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace
from typing_extensions import override

from meshd.client.result import Result
from meshd.core.ids import ArtifactHash, ModelName
from meshd.daemon.models.scrubber import Scrubber, ScrubEnded
from meshd.documents import Taken, VerifyDocument
from meshd.errors import MeshError, UnknownModel
from meshd.executor.hosted_model import HostedModel
from meshd.wire.messages import EVERY_MODEL, Fetch, Fetched
from model_registry.admission.admitted import Golden, digest_of
from model_registry.admission.golden import golden_inputs
from model_registry.store import ModelStore
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, join, until
from tests.daemon.models.family import Family, family
from tests.daemon.models.test_distribution import HEAVY_BYTES, hosts, keep, trusting
from tests.daemon.models.test_hostile_lenders import LendingPuppet, flipped, honest
from tests.daemon.toys import CALM, window

pytestmark = pytest.mark.usefixtures("checks_in_process")


@pytest.fixture
def made(publisher: SigningKey) -> Family:
    return family(publisher, ballast_bytes=HEAVY_BYTES)


def damage(member: Member, made: Family, tier: str, *pieces: int) -> None:
    """Flip the first byte of some pieces on a node's disk."""
    path = member.store.root / "artifacts" / made.artifact(tier)
    content = bytearray(path.read_bytes())
    for index in pieces:
        content[made.map(tier).extent(index)[0]] ^= 1
    path.write_bytes(content)


def content(member: Member, made: Family, tier: str) -> bytes:
    return (member.store.root / "artifacts" / made.artifact(tier)).read_bytes()


async def verified(member: Member, model: str = EVERY_MODEL) -> VerifyDocument:
    return await member.keeper.health.verify(ModelName(model))


async def with_peer(member: MakeMember, publisher: SigningKey, made: Family) -> tuple[Member, Member]:
    """Return a phone and a hub that both have all of a family."""
    phone, hub = (member(name, bare=True, models=trusting(publisher)) for name in ("phone", "hub"))
    await keep(phone, made)
    await keep(hub, made)
    join(phone, hub)
    await until(lambda: any(source.holds(made.artifact("phone")) for source in phone.keeper.exchange.sources()))
    await verified(phone)  # The round with which every node begins is over then.
    return phone, hub


async def alone(member: MakeMember, publisher: SigningKey, made: Family) -> Member:
    phone = member("phone", bare=True, models=trusting(publisher))
    await keep(phone, made)
    await verified(phone)
    return phone


async def problems(member: Member) -> list[str]:
    return [problem["sentence"] for problem in (await member.client().query("status"))["problems"]]


def tiers_known_of(member: Member, *, to: Member) -> set[str]:
    """Return the tiers of the family that a node is known to offer."""
    view = to.node.scheduler.view.peer(member.id)
    return {hosted.tier.value for hosted in view.profile.hosted if hosted.model == "news"} if view else set()


class Stream:
    """A client that asks without a pause, and keeps what it got; ``privacy="device"`` asks its node alone."""

    def __init__(self, member: Member, *, privacy: str = "household") -> None:
        self._privacy = privacy
        self._client = member.client()
        self._going = True
        self._task = asyncio.create_task(self._ask())

    async def _ask(self) -> list[Result]:
        results = []
        while self._going:
            results.append(await self._client.infer(window(CALM), model="news", privacy=self._privacy))
            await asyncio.sleep(0)
        return results

    async def ended(self) -> list[Result]:
        """Stop asking and return every answer; raise the first error instead."""
        self._going = False
        return await self._task


async def test_one_flipped_byte_is_found_and_mended_from_a_peer_while_requests_are_answered(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, _ = await with_peer(member, publisher, made)
    stream = Stream(phone, privacy="device")
    damage(phone, made, "phone", 7)
    document = await verified(phone)
    assert [(f.outcome, f.tier, f.damaged_pieces, f.pieces) for f in document.findings] == [
        ("mended", "phone", 1, made.map("phone").count)
    ]
    assert content(phone, made, "phone") == made.contents["phone"]
    assert {hop.tier for result in await stream.ended() for hop in result.route} == {"phone"}
    assert [(event["model"], event["outcome"], event["serving"]) for event in phone.findings] == [
        ("news", "mended", ("phone/toy-fp32",))
    ]
    assert await problems(phone) == []


async def test_what_is_not_in_memory_is_mended_before_it_is_loaded_again(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, _ = await with_peer(member, publisher, made)
    phone.executor.cool(ArtifactHash(made.artifact("phone")))
    damage(phone, made, "phone", 0)
    await verified(phone)
    result = await phone.client().infer(window(CALM), model="news", privacy="device")
    assert [hop.tier for hop in result.route] == ["phone"]


async def test_what_cannot_be_loaded_when_it_is_needed_is_looked_at_without_waiting_for_the_next_round(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, _ = await with_peer(member, publisher, made)
    phone.executor.cool(ArtifactHash(made.artifact("phone")))
    damage(phone, made, "phone", 7)
    with pytest.raises(MeshError):
        await phone.client().infer(window(CALM), model="news", privacy="device")
    await until(lambda: phone.findings, "the healing")
    assert [event["outcome"] for event in phone.findings] == ["mended"]


async def test_heavy_damage_is_quarantined_and_the_smaller_tier_serves_until_peers_restore_it(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, hub = await with_peer(member, publisher, made)
    stream = Stream(phone, privacy="device")
    damage(phone, made, "phone", *range(20))
    [finding] = (await verified(phone)).findings
    assert (finding.outcome, finding.damaged_pieces, finding.serving) == ("quarantined", 20, ("watch/toy-fp32",))
    assert hosts(phone, made, "watch")
    assert not hosts(phone, made, "phone")
    [sentence] = await problems(phone)
    assert sentence.startswith("Model news/phone/toy-fp32 is in quarantine: 20 of its")
    assert [event["outcome"] for event in phone.findings] == ["quarantined"]
    await until(lambda: tiers_known_of(phone, to=hub) == {"watch"}, "the news at the hub")

    [finding] = (await verified(phone)).findings
    assert (finding.outcome, finding.serving) == ("restored", ("phone/toy-fp32",))
    assert content(phone, made, "phone") == made.contents["phone"]
    assert await problems(phone) == []
    assert {hop.tier for result in await stream.ended() for hop in result.route} <= {"phone", "watch"}


async def test_what_nobody_has_is_quarantined_and_the_smaller_tier_serves(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    stream = Stream(phone, privacy="device")
    damage(phone, made, "phone", 7)
    [finding] = (await verified(phone)).findings
    assert (finding.outcome, finding.serving) == ("quarantined", ("watch/toy-fp32",))
    assert finding.reason.endswith("no node in reach has them.")
    tiers = [hop.tier for result in await stream.ended() for hop in result.route]
    assert set(tiers) <= {"phone", "watch"}
    assert len(phone.findings) == 1
    again = (await verified(phone)).findings
    assert ([f.outcome for f in again], len(phone.findings)) == (["quarantined"], 1)


async def test_a_quarantine_outlives_the_process(member: MakeMember, publisher: SigningKey, made: Family) -> None:
    phone = await alone(member, publisher, made)
    damage(phone, made, "phone", 7)
    await verified(phone)
    await phone.stop()
    again = member("phone", bare=True, models=trusting(publisher))
    [sentence] = await problems(again)
    assert sentence.startswith("Model news/phone/toy-fp32 is in quarantine: 1 of its")
    assert hosts(again, made, "watch")


async def test_what_somebody_has_put_right_is_used_again(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    damage(phone, made, "phone", 7)
    await verified(phone)
    damage(phone, made, "phone", 7)  # Back again.
    [finding] = (await verified(phone)).findings
    assert (finding.outcome, finding.serving) == ("released", ("phone/toy-fp32",))


async def test_adding_the_model_again_ends_the_quarantine(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    damage(phone, made, "phone", *range(20))
    await verified(phone)
    await keep(phone, made)
    assert hosts(phone, made, "phone")
    assert await problems(phone) == []


async def test_a_peer_that_sends_wrong_bytes_is_not_believed(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    truth = honest(made)
    liar = LendingPuppet("liar", made, lambda fetch: flipped(truth(fetch) or b""))
    await liar.lend(phone, offers=())
    damage(phone, made, "phone", 7)
    before = content(phone, made, "phone")
    [finding] = (await verified(phone)).findings
    assert finding.outcome == "quarantined"
    assert [fetch.subject for fetch in liar.asked_for] == ["pieces"]
    assert content(phone, made, "phone") == before


async def test_only_the_named_model_is_read_and_an_unknown_one_is_refused(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    await keep(phone, other := family(publisher, name="other"))
    document = await verified(phone, "other")
    assert document.n_bytes == sum(map(len, other.contents.values()))
    with pytest.raises(UnknownModel, match="no model 'nothing'"):
        await verified(phone, "nothing")


async def test_a_scrub_ends_in_the_middle_of_an_artifact_when_the_daemon_does(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    store = Endless(phone.store.root)
    scrubber = Scrubber(store)
    reading = asyncio.create_task(scrubber.examine(ArtifactHash(made.artifact("phone"))))
    await until(store.being_read.is_set)
    await asyncio.to_thread(scrubber.close)
    with pytest.raises(ScrubEnded):
        await reading


class Endless(ModelStore):
    """A store whose artifacts have no end."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.being_read = Event()

    @override
    def is_whole(self, sha256: str, rest: Callable[[], object] = lambda: None) -> bool:
        self.being_read.set()
        while True:
            rest()


class Odd:
    """A session that adds one to everything, as broken memory might."""

    def __init__(self, session: Any) -> None:
        self.inputs, self.outputs = session.inputs, session.outputs
        self._session = session

    def run(self, names: list[str], inputs: Any) -> Any:
        return [output + 1 for output in self._session.run(names, inputs)]


def hosted_news(member: Member) -> HostedModel:
    return next(hosted for hosted in member.executor.hosted if hosted.manifest.name == "news")


def learn_golden(hosted: HostedModel) -> None:
    """Let the answers of the present session be those of the admission."""
    assert hosted.session is not None
    assert hosted.admitted is not None
    outputs, _ = hosted.compute(hosted.session, golden_inputs(hosted.manifest, hosted.artifact))
    digests = {name: digest_of(array) for name, array in outputs.items()}
    hosted.admitted = replace(hosted.admitted, golden=Golden(drawn=True, repeatable=True, digests=digests))


async def test_a_session_that_answers_wrongly_is_loaded_again(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    learn_golden(hosted := hosted_news(phone))
    await phone.keeper.health.probe()
    assert phone.findings == []
    hosted.session = Odd(hosted.session)
    stream = Stream(phone)
    await phone.keeper.health.probe()
    assert not isinstance(hosted.session, Odd)
    assert [event["outcome"] for event in phone.findings] == ["reloaded"]
    await stream.ended()


async def test_a_model_that_goes_on_answering_wrongly_is_quarantined_and_not_fetched_again(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, _ = await with_peer(member, publisher, made)
    hosted = hosted_news(phone)
    learn_golden(hosted)
    assert hosted.admitted is not None
    wrong = Golden(drawn=True, repeatable=True, digests=dict.fromkeys(hosted.admitted.golden.digests, "0" * 64))
    hosted.admitted = replace(hosted.admitted, golden=wrong)
    stream = Stream(phone)
    await phone.keeper.health.probe()
    assert [(event["outcome"], event["serving"]) for event in phone.findings] == [("quarantined", ("watch/toy-fp32",))]
    phone.keeper.exchange.on_offers()
    assert [finding.outcome for finding in (await verified(phone)).findings] == ["quarantined"]
    assert hosts(phone, made, "watch")
    await stream.ended()


async def test_a_wrong_session_whose_file_is_damaged_too_is_mended(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, _ = await with_peer(member, publisher, made)
    learn_golden(hosted := hosted_news(phone))
    hosted.session = Odd(hosted.session)
    damage(phone, made, "phone", 7)
    await phone.keeper.health.probe()
    assert [event["outcome"] for event in phone.findings] == ["mended"]
    assert content(phone, made, "phone") == made.contents["phone"]


async def test_a_node_that_starts_on_a_damaged_disk_serves_the_smaller_tier_and_mends_the_larger_by_itself(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone, hub = await with_peer(member, publisher, made)
    damage(phone, made, "phone", 7)
    await phone.stop()
    again = member("phone", bare=True, models=trusting(publisher))
    assert hosts(again, made, "watch")
    await until(lambda: again.findings, "the first round")
    join(again, hub)
    await until(lambda: hosts(again, made, "phone"), "what the hub has")
    assert [event["outcome"] for event in again.findings] == ["quarantined", "restored"]
    assert await problems(again) == []


async def test_whoever_restores_and_whoever_fetches_share_one_download(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher, fetch="none"))
    await keep(phone, made)
    damage(phone, made, "phone", *range(20))
    await verified(phone)
    held: list[Fetch] = []
    truth = honest(made)

    def slow(fetch: Fetch) -> bytes | None:
        if fetch.subject != "pieces" or held:
            return truth(fetch)
        held.append(fetch)
        return None

    lender = LendingPuppet("lender", made, slow)
    await lender.lend(phone)
    await until(lambda: held, "the healer's download")
    fetching = asyncio.ensure_future(phone.keeper.orders.acts["fetch"](made.model))
    await until(lambda: "manifest" in [fetch.subject for fetch in lender.asked_for], "the other's")
    lender.say(Fetched(request_id=held[0].request_id), (truth(held[0]) or b"",))
    taken = await fetching
    assert isinstance(taken, Taken)
    assert taken.hosted == "phone/toy-fp32"
    assert sum(fetch.count for fetch in lender.asked_for if fetch.subject == "pieces") == 20
    await until(lambda: len(phone.findings) == 2, "the healer's end")
    assert [event["outcome"] for event in phone.findings] == ["quarantined", "restored"]
    assert await problems(phone) == []


async def test_a_model_with_nothing_in_its_place_is_shown_and_told_of_and_makes_its_node_unhealthy(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = member("phone", bare=True, models=trusting(publisher))
    await keep(phone, made, "watch")
    await keep(phone, family(publisher, name="other"))
    assert (await phone.client().query("status"))["healthy"]
    damage(phone, made, "watch", *range(20))
    await verified(phone)
    assert not (await phone.client().query("status"))["healthy"]
    listed, other = (await phone.client().query("models"))["models"]
    assert (listed["name"], listed["tiers"], listed["unserved"]["state"]) == ("news", [], "in quarantine")
    assert "unserved" not in other or other["unserved"] is None
    with pytest.raises(UnknownModel, match=r"no node of the mesh hosts .* is in quarantine: 20 of .* verify` restores"):
        await phone.client().infer(window(CALM), model="news")


async def test_a_node_whose_smaller_variant_serves_is_healthy_and_tells_of_the_problem(
    member: MakeMember, publisher: SigningKey, made: Family
) -> None:
    phone = await alone(member, publisher, made)
    damage(phone, made, "phone", *range(20))
    await verified(phone)
    status = await phone.client().query("status")
    assert (status["healthy"], len(status["problems"])) == (True, 1)
