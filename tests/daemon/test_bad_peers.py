"""What a trusted peer may get wrong, or do on purpose: another plan or a typed error, never a wrong answer."""

from typing import Any

import numpy as np
import pytest
from msgspec import to_builtins
from msgspec.msgpack import encode as pack
from msgspec.structs import replace

from meshd.client.result import Result as Answered
from meshd.core.answer import MOST_JOULES, Energy, Timings
from meshd.core.ids import ModelName
from meshd.core.node import MOST_S, DeviceClass, Telemetry
from meshd.errors import DuplicateRequest, ExecutionFailed, InvalidInput, MeshError, Overloaded
from meshd.net.credit import WINDOW_BYTES
from meshd.net.memory import MemoryTransport
from meshd.wire.frame import HEADER, MAGIC
from meshd.wire.messages import (
    MAX_HOPS,
    Cancel,
    Capability,
    Document,
    Fetched,
    Heartbeat,
    Infer,
    Install,
    Order,
    Query,
    Refusal,
    Result,
    TensorHeader,
)
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import node_id_of, until
from tests.daemon.puppet import Puppet
from tests.daemon.toys import CALM, GRAVE, MODEL, window

SCORE = TensorHeader(name="score", dtype="float32", shape=(1,))

LONG_ROUTE = Puppet("hub", "hub").answer().route * 64


BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "another model": {"model": "other"},
    "a weaker tier than was asked": {"tier": DeviceClass.WATCH},
    "a tier that the manifest does not have": {"tier": DeviceClass.UPSTREAM},
    "another shape": {"tensors": (replace(SCORE, shape=(2,)),), "payload": bytes(8)},
    "another dtype": {"tensors": (replace(SCORE, dtype="int32"),)},
    "another name": {"tensors": (replace(SCORE, name="scroe"),)},
    "no tensors": {"tensors": (), "payload": b""},
    "too few bytes": {"payload": bytes(3)},
    "a route without end": {"route": LONG_ROUTE},
    "NaN": {"payload": np.full(1, np.nan, np.float32).tobytes()},
}


@pytest.mark.parametrize("flaw", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_an_answer_that_breaks_the_promise_is_not_passed_on(member: MakeMember, flaw: dict[str, Any]) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    hub.say(*hub.result((await hub.next_request()).request_id, **flaw))
    outcome = await client.outcome("r1")
    assert not isinstance(outcome, MeshError | memoryview)
    assert (outcome.tier, outcome.degraded) == (DeviceClass.WATCH, True)
    assert outcome.outputs["score"] == np.float32(GRAVE)


async def test_a_bad_answer_leads_to_another_peer(member: MakeMember) -> None:
    watch, bad, good = member("watch"), Puppet("bad", "hub"), Puppet("good", "hub")
    await bad.meet(watch)
    client = watch.client()
    await client.send(window(CALM), request_id="r1", min_tier="hub")
    request = await bad.next_request()
    await good.meet(watch)
    bad.say(*bad.result(request.request_id, **BAD_ANSWERS["NaN"]))
    good.say(*good.result((await good.next_request()).request_id))
    outcome = await client.outcome("r1")
    assert not isinstance(outcome, MeshError | memoryview)
    assert [hop.node for hop in outcome.route] == ["good"]


async def test_a_bad_answer_without_an_alternative_is_an_error_that_says_so(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(CALM), request_id="r1", min_tier="hub")
    hub.say(*hub.result((await hub.next_request()).request_id, **BAD_ANSWERS["another shape"]))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, ExecutionFailed)
    assert "a peer's answer was not usable" in str(outcome)


async def test_an_answer_without_a_route_ends_the_session_and_the_request_goes_on(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    message, parts = hub.result((await hub.next_request()).request_id)
    raw = to_builtins(message)
    raw["answer"]["route"] = []
    metadata = pack(raw)
    hub.session._transport.write(HEADER.pack(MAGIC, 1, 5, len(metadata), 4) + metadata + parts[0])
    outcome = await client.outcome("r1")
    assert not isinstance(outcome, MeshError | memoryview)
    assert (outcome.tier, outcome.degraded) == (DeviceClass.WATCH, True)
    assert hub.session.goodbye is not None
    assert hub.session.goodbye.code == "protocol_error"


async def test_only_the_peer_that_was_asked_may_answer(member: MakeMember) -> None:
    watch, asked, other = member("watch"), Puppet("asked", "hub"), Puppet("other", "phone")
    await asked.meet(watch)
    await other.meet(watch)
    client = watch.client()
    await client.send(window(CALM), request_id="r1", min_tier="hub")
    await asked.next_request()
    other.say(*asked.result("r1"))
    other.say(Refusal(request_id="r1", code="overloaded", message="so I say"))
    other.say(Cancel(request_id="r1"))
    asked.say(*asked.result("r1", score=0.5))
    outcome = await client.outcome("r1")
    assert not isinstance(outcome, MeshError | memoryview)
    assert outcome.answer.score == 0.5


async def test_an_answer_counts_once(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(CALM), request_id="r1", min_tier="hub")
    await hub.next_request()
    hub.say(*hub.result("r1", score=0.25))
    hub.say(*hub.result("r1", score=0.75))
    hub.say(Refusal(request_id="r1", code="overloaded", message="after all"))
    await pong(hub)
    assert [outcome.answer.score for outcome in client.outcomes("r1")] == [0.25]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "message",
    [
        Refusal(request_id="r1", code="overloaded", message="nobody asked"),
        Cancel(request_id="r1"),
        Query(request_id="r1", subject="status"),
        Document(request_id="r1"),
        Fetched(request_id="r1"),
        Install(request_id="r1"),
        Order(request_id="r1", action="remove", model=MODEL),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_what_nobody_asked_for_is_ignored(member: MakeMember, message: Any) -> None:
    watch, peer = member("watch"), Puppet("peer", "hub")
    await peer.meet(watch)
    peer.say(message)
    peer.say(*peer.result("r2"))
    await pong(peer)
    assert [m for m, _ in peer.received if not isinstance(m, Capability | Heartbeat)] == []
    assert (await watch.client().infer(window(CALM))).tier is DeviceClass.WATCH


@pytest.mark.parametrize("code", [Overloaded.code, InvalidInput.code, DuplicateRequest.code])
async def test_a_refusal_leads_to_another_peer_whatever_it_says(member: MakeMember, code: str) -> None:
    watch, unwilling, good = member("watch"), Puppet("unwilling", "hub"), Puppet("good", "hub")
    await unwilling.meet(watch)
    client = watch.client()
    await client.send(window(CALM), request_id="r1", min_tier="hub")
    request = await unwilling.next_request()
    await good.meet(watch)
    unwilling.say(Refusal(request_id=request.request_id, code=code, message="so I say"))
    good.say(*good.result((await good.next_request()).request_id))
    outcome = await client.outcome("r1")
    assert not isinstance(outcome, MeshError | memoryview)
    assert [hop.node for hop in outcome.route] == ["good"]
    assert len(unwilling.asked) == 1


async def test_an_input_that_every_peer_refuses_is_told_as_that_and_nobody_is_asked_twice(member: MakeMember) -> None:
    watch, phone, hub = member("watch", bare=True), Puppet("phone", "phone"), Puppet("hub", "hub")
    await phone.meet(watch)
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    await until(lambda: phone.asked or hub.asked)
    for peer in (phone, hub) if phone.asked else (hub, phone):
        request = await peer.next_request()
        peer.say(Refusal(request_id=request.request_id, code=InvalidInput.code, message="it holds 16 NaN"))
    assert isinstance(await client.outcome("r1"), InvalidInput)
    assert (len(phone.asked), len(hub.asked)) == (1, 1)


OBEYED = "\x1b]0;mine\x07\x1b[2J"
"""What a terminal takes for orders: another title, an empty screen."""


async def test_no_word_of_a_peers_refusal_is_obeyed_by_a_terminal(member: MakeMember) -> None:
    watch, hub = member("watch", bare=True), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    hub.say(Refusal(request_id=(await hub.next_request()).request_id, code=InvalidInput.code, message=f"no{OBEYED}"))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, InvalidInput)
    assert outcome.message == "no?]0;mine??[2J"


@pytest.mark.parametrize("word", ["model", "version", "variant", "artifact", "score_output"])
async def test_no_word_of_a_tier_that_a_peer_announces_is_obeyed_by_a_terminal(member: MakeMember, word: str) -> None:
    watch, hub = member("watch", bare=True), Puppet("hub", "hub")
    announced = replace(hub.profile(), hosted=(replace(hub.hosted(), **{word: OBEYED}),))
    await hub.meet(watch, Capability(profile=announced, telemetry=Telemetry()))
    await until(lambda: hub.id not in watch.sessions, "the end of the session")
    assert not watch.knows(hub.id)


async def test_a_peer_may_not_speak_for_another_node(member: MakeMember) -> None:
    watch, liar = member("watch"), Puppet("liar", "hub")
    forged = Capability(profile=replace(liar.profile(), node_id=node_id_of("somebody")), telemetry=Telemetry())
    await liar.meet(watch, forged)
    await pong(liar)
    peers = (await watch.client().query("peers"))["peers"]
    assert peers == []


async def test_a_peer_without_an_introduction_gets_no_work_and_does_no_harm(member: MakeMember) -> None:
    watch, silent = member("watch"), Puppet("silent", "hub")
    await silent.meet(watch, Heartbeat(sequence=1, telemetry=Telemetry()))  # type: ignore[arg-type]
    result = await watch.client().infer(window(GRAVE))
    assert (result.degraded, silent.asked) == (True, [])
    silent.session.abort()


async def test_a_peer_cannot_hide_that_it_has_had_a_request(member: MakeMember) -> None:
    phone, asker = member("phone"), Puppet("asker", "hub")
    await asker.meet(phone)
    # It asks for what only a hub can answer, and is itself the only hub.
    asker.say(*infer("r1", GRAVE, start_tier="phone"))
    await until(lambda: any(isinstance(message, Result) for message, _ in asker.received))
    assert asker.asked == []
    answer = next(message.answer for message, _ in asker.received if isinstance(message, Result))
    assert (answer.tier, answer.degraded) == (DeviceClass.PHONE, True)


async def test_a_request_that_has_been_everywhere_is_refused(member: MakeMember) -> None:
    phone, asker, hub = member("phone"), Puppet("asker", "watch"), Puppet("hub", "hub")
    await asker.meet(phone)
    await hub.meet(phone)
    asker.say(*infer("r1", GRAVE, via=tuple(node_id_of(f"hop {n}") for n in range(MAX_HOPS))))
    await until(lambda: any(isinstance(message, Refusal) for message, _ in asker.received))
    refusal = next(message for message, _ in asker.received if isinstance(message, Refusal))
    assert refusal.code == InvalidInput.code
    assert hub.asked == []


async def test_a_delegated_input_is_checked_like_any_other(member: MakeMember) -> None:
    phone, asker = member("phone"), Puppet("asker", "watch")
    await asker.meet(phone)
    asker.say(*infer("r1", float("nan")))
    await until(lambda: any(isinstance(message, Refusal) for message, _ in asker.received))
    refusal = next(message for message, _ in asker.received if isinstance(message, Refusal))
    assert (refusal.code, "16 NaN" in refusal.message) == (InvalidInput.code, True)


async def test_the_longest_route_that_a_peer_may_tell_of_fits_into_this_nodes_answer_too(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    request = await hub.next_request()
    word = "\N{CYCLONE}" * 128
    hop = replace(hub.answer().route[0], node=word, variant=word)
    hub.say(*hub.result(request.request_id, route=(hop,) * (4 * MAX_HOPS)))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, Answered)
    first, *others = outcome.route
    assert (replace(first, transfer_s=hop.transfer_s), *others) == (hop,) * (4 * MAX_HOPS)


async def test_the_most_that_a_peer_may_tell_of_fits_into_this_nodes_answer_too(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    await client.send(window(GRAVE), request_id="r1")
    request = await hub.next_request()
    most = Timings(queue_s=MOST_S, compute_s=MOST_S, transfer_s=MOST_S, total_s=MOST_S)
    hub.say(*hub.result(request.request_id, timings=most, energy=Energy(joules=MOST_JOULES)))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, Answered)
    assert outcome.answer.energy == Energy(joules=MOST_JOULES)
    assert replace(outcome.timings, total_s=MOST_S) == most


def infer(request_id: str, mean: float, **changes: Any) -> tuple[Infer, tuple[bytes]]:
    """Return a delegated request as an honest peer would send it, but for the changes."""
    message = Infer(
        request_id=request_id,
        model=MODEL,
        tensors=(TensorHeader(name="ecg", dtype="float32", shape=(1, 16)),),
        deadline_s=10.0,
    )
    if "start_tier" in changes:
        changes["start_tier"] = DeviceClass(changes["start_tier"])
    return replace(message, **changes), (window(mean)["ecg"].tobytes(),)


async def pong(peer: Puppet) -> None:
    """Wait until the node has taken in everything that was sent so far."""
    peer.say(Heartbeat(sequence=2**40, telemetry=Telemetry()))
    await until(lambda: any(isinstance(m, Heartbeat) and m.echo and m.sequence == 2**40 for m, _ in peer.received))


async def test_a_claim_to_be_the_most_accurate_is_held_against_the_manifest(member: MakeMember) -> None:
    """A peer that claims it would draw every emergency; a file that the manifest does not name ranks last."""
    watch, liar = member("watch"), Puppet("hub", "hub")
    claim = replace(liar.hosted(), accuracy=1.0)
    await liar.meet(watch, Capability(profile=replace(liar.profile(), hosted=(claim,)), telemetry=Telemetry()))
    await until(lambda: watch.knows(liar.id))
    ((_, believed),) = [
        host for host in watch.node.scheduler.view.hosting.of(ModelName(MODEL)).all if host[0].link is not None
    ]
    assert believed.accuracy < 1.0


async def test_the_same_id_with_a_larger_tier_demanded_is_another_question(member: MakeMember) -> None:
    watch = member("watch")
    first, second = watch.client(), watch.client()
    await first.send(window(CALM), request_id="same")
    assert isinstance(await first.outcome("same"), Answered)
    await second.send(window(CALM), request_id="same", min_tier="hub")
    assert isinstance(await second.outcome("same"), DuplicateRequest)


async def test_a_peer_that_reads_nothing_is_sent_no_more_than_its_credit(member: MakeMember) -> None:
    watch, hub = member("watch", bare=True), Puppet("hub", "hub")
    await hub.meet(watch)
    assert isinstance(hub.session._transport, MemoryTransport)
    hub.session._transport.incoming.hold()
    large = {"ecg": np.zeros((1, 150_000), np.float32)}
    clients = [watch.client() for _ in range(3)]
    asked = [(client, await client.send(large, deadline_s=60.0)) for client in clients for _ in range(10)]

    def refused() -> list[Any]:
        return [outcome for client, request_id in asked for outcome in client.outcomes(request_id)]

    def sent() -> int:
        return watch.node.scheduler.alive_requests

    await until(lambda: len(refused()) + sent() == len(asked), "what becomes of each")
    assert sent() * large["ecg"].nbytes <= WINDOW_BYTES < (sent() + 1) * large["ecg"].nbytes
    assert {type(outcome) for outcome in refused()} == {Overloaded}
    for client, request_id in asked:
        client.session.send(Cancel(request_id=request_id))
    await until(lambda: watch.ledger.live_bytes == 0, "the end of all")
    hub.session._transport.incoming.release()
