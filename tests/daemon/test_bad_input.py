"""What a client may get wrong: a typed error that says what, a node that goes on, nothing left behind."""

import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.client.conversation import Options, infer_message
from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass, Telemetry
from meshd.daemon import ledger, reception
from meshd.errors import (
    DeadlineExceeded,
    DuplicateRequest,
    InvalidInput,
    MeshError,
    NoCandidate,
    Overloaded,
    UnknownModel,
    UnknownQuery,
)
from meshd.wire.messages import Capability, Infer, Refusal, TensorHeader
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Asker, until
from tests.daemon.puppet import Puppet
from tests.daemon.toys import CALM, GRAVE, MODEL, window

ECG = window(CALM)["ecg"]


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"egc": ECG}, "has no input 'egc'. Did you mean 'ecg'"),
        ({}, "Input 'ecg' of model 'toy' is missing"),
        ({"ecg": ECG, "more": ECG}, "has no input 'more'"),
        ({"ecg": ECG[0]}, "has 1 axes, shape (16,), and must have 2"),
        ({"ecg": ECG[:, :15]}, "has 15 elements on axis 1 and must have 16"),
        ({"ecg": np.repeat(ECG, 5, axis=0)}, "has 5 elements on axis 0 and must have 1 to 4 ('batch')"),
        ({"ecg": ECG.astype(np.float64)}, "is float64 and must be float32"),
        ({"ecg": np.full_like(ECG, math.nan)}, "holds 16 NaN; every element must be finite"),
        ({"ecg": np.full_like(ECG, math.inf)}, "holds 16 infinite values"),
    ],
)
async def test_an_input_that_does_not_fit_the_manifest_is_refused(
    member: MakeMember, inputs: dict[str, Any], problem: str
) -> None:
    client = member("watch").client()
    with pytest.raises(InvalidInput) as refused:
        await client.infer(inputs)
    assert problem in str(refused.value)
    assert (await client.infer(window(CALM))).outputs["score"] == np.float32(CALM)


async def test_a_model_that_nobody_hosts_is_refused(member: MakeMember) -> None:
    client = member("watch").client()
    with pytest.raises(UnknownModel, match="no node of the mesh hosts a model 'ecg-anomalie'"):
        await client.infer(window(CALM), model="ecg-anomalie")
    assert (await client.infer(window(CALM))).route


async def test_a_deadline_too_short_for_anything_ends_the_request_by_then(member: MakeMember) -> None:
    watch, silent = member("watch", bare=True), Puppet("silent", "hub")
    await silent.meet(watch)
    with pytest.raises(DeadlineExceeded):
        await watch.client().infer(window(GRAVE), deadline_s=1e-9)


async def test_payload_and_shapes_must_agree(member: MakeMember) -> None:
    client = member("watch").client()
    await client.session.opened()
    message = Infer(
        request_id="r1",
        model=MODEL,
        tensors=(TensorHeader(name="ecg", dtype="float32", shape=(1, 16)),),
        deadline_s=1.0,
    )
    client.expect("r1")
    client.session.send(message, (bytes(63),))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, InvalidInput)
    assert "the tensors take 64 bytes by their headers and the payload has 63" in str(outcome)


@pytest.mark.parametrize("bound", [{"start_tier": "hub"}, {"may_climb": False}])
async def test_only_peers_may_say_where_the_cascade_starts_and_ends(
    member: MakeMember, bound: dict[str, object]
) -> None:
    client = member("watch").client()
    await client.session.opened()
    message = Infer(request_id="r1", model=MODEL, tensors=(), deadline_s=1.0, **bound)  # type: ignore[arg-type]
    client.expect("r1")
    client.session.send(message)
    assert isinstance(await client.outcome("r1"), InvalidInput)


async def test_a_question_that_nobody_can_answer_is_refused(member: MakeMember) -> None:
    client = member("watch").client()
    with pytest.raises(UnknownQuery, match="there is no document 'weather'"):
        await client.query("weather")
    with pytest.raises(UnknownQuery, match="request 'r9' is not known here"):
        await client.query("explain", request_id="r9")


async def test_a_request_asked_for_twice_runs_once_and_answers_both(member: MakeMember) -> None:
    node = member("watch")
    one, two = node.client(), node.client()
    artifact = node.executor.warm_artifacts()[0]
    node.executor.cool(artifact)  # A cold model is loaded in a thread, so the request is still alive when it is joined.
    for client in (one, two):
        await client.send(window(CALM), request_id="same")
    assert await answered(one, two) == [CALM, CALM]
    counters = (await one.query("status"))["requests"]
    assert counters["submitted"] == counters["completed"] == 1


async def test_an_answer_is_repeated_to_those_who_ask_again(member: MakeMember) -> None:
    node = member("watch")
    first = await node.client().infer(window(CALM), request_id="same")
    again = await node.client().infer(window(CALM), request_id="same")
    assert again.answer == first.answer
    assert (await node.client().query("status"))["requests"]["submitted"] == 1


async def test_a_failure_is_not_repeated_for_the_next_try_may_succeed(member: MakeMember) -> None:
    watch, hub = member("watch", bare=True), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    with pytest.raises(DeadlineExceeded):
        await client.infer(window(CALM), request_id="same", deadline_s=1e-9)
    await client.send(window(CALM), request_id="same", deadline_s=5.0)
    hub.say(*hub.result((await hub.next_request(len(hub.asked) + 1)).request_id))
    assert (await client.latest("same", 2)).tier is DeviceClass.HUB


@pytest.mark.parametrize("alive", [True, False])
async def test_an_id_stands_for_one_input(member: MakeMember, alive: bool) -> None:
    node = member("watch")
    one, two = node.client(), node.client()
    if alive:
        node.executor.cool(node.executor.warm_artifacts()[0])
        await one.send(window(CALM), request_id="same")
    else:
        await one.infer(window(CALM), request_id="same")
    with pytest.raises(DuplicateRequest, match="was used for another question"):
        await two.infer(window(CALM + 1), request_id="same")
    assert await answered(one) == [CALM]


async def test_a_client_that_goes_away_can_come_back_for_its_answer(member: MakeMember) -> None:
    node = member("watch")
    gone = node.client()
    node.executor.cool(node.executor.warm_artifacts()[0])
    await gone.send(window(CALM), request_id="mine")
    gone.session.abort()
    assert (await node.client().infer(window(CALM), request_id="mine")).outputs["score"] == np.float32(CALM)


async def test_a_client_that_does_not_come_back_holds_nothing(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "COME_BACK_S", 0.0)
    watch, hub = member("watch", bare=True), Puppet("hub", "hub")
    await hub.meet(watch)
    gone = watch.client()
    await gone.send(window(CALM), request_id="mine", deadline_s=86_400.0)
    await hub.next_request()
    gone.session.abort()
    await until(lambda: watch.ledger.get("mine") is None, "its end")


async def test_one_client_cannot_hold_the_room_of_all(member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    held_bytes = window(CALM)["ecg"].nbytes
    monkeypatch.setattr(ledger, "MOST_LIVE_BYTES", 6 * held_bytes)
    monkeypatch.setattr(ledger, "MOST_BYTES_OF_ONE", 2 * held_bytes)
    watch, hub = member("watch", bare=True), Puppet("hub", "hub")
    await hub.meet(watch)
    greedy, other = watch.client(), watch.client()
    for number in range(3):
        await greedy.send(window(CALM), request_id=f"r{number}")
    assert isinstance(await greedy.outcome("r2"), Overloaded)
    await other.send(window(CALM), request_id="r3")
    await until(lambda: [asked.request_id for asked in hub.asked] == ["r0", "r1", "r3"], "what was let in")
    for asked in hub.asked:
        hub.say(*hub.result(asked.request_id))
    assert not isinstance(await other.outcome("r3"), MeshError)


async def test_all_programs_of_one_user_leave_room_for_others_also_when_they_are_gone(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_bytes = window(CALM)["ecg"].nbytes
    monkeypatch.setattr(ledger, "MOST_LIVE_BYTES", 6 * held_bytes)
    monkeypatch.setattr(ledger, "MOST_BYTES_OF_ONE", 2 * held_bytes)
    watch, hub, guest = member("watch", bare=True), Puppet("hub", "hub"), Puppet("guest", "phone")
    await hub.meet(watch)
    await guest.meet(watch, Capability(profile=replace(guest.profile(), hosted=()), telemetry=Telemetry()))
    for number in range(3):
        client = watch.client()
        await client.send(window(CALM), request_id=f"r{number}")
        await hub.next_request(number + 1)
        client.session.abort()
    late = watch.client()
    await late.send(window(CALM), request_id="r3")
    refused = await late.outcome("r3")
    assert isinstance(refused, Overloaded)
    assert "the requests of all programs of this user hold" in str(refused)
    message, (part,) = infer_message(RequestId("r4"), MODEL, window(CALM), Options())
    guest.say(message, (bytes(part),))
    await until(lambda: [said for said, _ in guest.received if isinstance(said, Refusal)], "its end")
    (end,) = [said for said, _ in guest.received if isinstance(said, Refusal)]
    assert end.code == NoCandidate.code, "it was let in, and nothing may run it"
    for asked in hub.asked:
        hub.say(*hub.result(asked.request_id))
    await until(lambda: watch.ledger.live_bytes == 0, "their ends")


async def answered(*clients: Asker, request_id: str = "same") -> list[float]:
    """Return the score that each client was given, exactly once."""
    scores = []
    for client in clients:
        outcome = await client.outcome(request_id)
        assert not isinstance(outcome, MeshError | memoryview)
        scores.append(float(outcome.outputs["score"][0]))
        assert len(client.outcomes(request_id)) == 1
    return scores
