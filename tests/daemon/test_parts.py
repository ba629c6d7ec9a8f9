"""One request over several nodes: the same bits as on one, whatever becomes of the others meanwhile."""

from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.client.result import Result
from meshd.core.plan import Leg, Partial
from meshd.errors import InvalidInput, NoCandidate
from meshd.wire.messages import Cancel, Refusal
from meshd.wire.tensors import decode_tensors, encode_tensors
from model_registry.tensor import Axis
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import PATIENCE_S, Member, until
from tests.daemon.parts import (
    ARTIFACT,
    CUTTABLE,
    N_STAGES,
    PartPuppet,
    Splits,
    acquainted,
    answer_to,
    crossing,
    part_member,
    question,
    with_stages,
)
from tests.daemon.test_bad_peers import pong
from tests.executor.cuttable import ENCODING, SAMPLES, cuttable_manifest, cuttable_model


async def band_and_kitchen(member: MakeMember, folder: Path, **options: Any) -> tuple[Member, Member]:
    band, kitchen = part_member(member, folder, "band", **options), part_member(member, folder, "kitchen")
    await acquainted(band, kitchen)
    return band, kitchen


async def splitting_band_and_kitchen(member: MakeMember, folder: Path) -> tuple[Member, Member, Splits]:
    """Return nodes that hold a model whose input stays where it is, while activations may travel."""
    form = cuttable_manifest(cuttable_model(), privacy="device", private_depth=1)
    policy = Splits()
    band = part_member(member, folder, "band", form=form, policy=policy)
    kitchen = part_member(member, folder, "kitchen", form=form)
    await acquainted(band, kitchen)
    return band, kitchen, policy


def check_answer(result: Result, items: int = 1) -> None:
    expected = answer_to(question(items))
    assert sorted(result.outputs) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(result.outputs[name], array)


def route(result: Result) -> list[tuple[str, tuple[int, int] | None]]:
    return [(hop.node, hop.stages) for hop in result.route]


@pytest.mark.parametrize("place", [1, 2])
async def test_a_head_here_and_a_tail_there_answer_as_the_whole_does(
    member: MakeMember, tmp_path: Path, place: int
) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    result = await band.client().infer(question(4), model=CUTTABLE, plan=f"band 0-{place}, kitchen {place}-3")
    check_answer(result, 4)
    assert route(result) == [("band", (0, place)), ("kitchen", (place, 3))]
    assert [m.partial is not None for m in kitchen.asked_by_peers()] == [True]


async def test_a_peer_is_told_which_stages_are_in_memory(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    known = band.node.scheduler.view.peer(kitchen.id)
    assert known is not None
    ends = frozenset({(0, 1), (0, 2), (1, 3), (2, 3)})
    await until(lambda: known.warm_ranges == {ARTIFACT: ends}, "word of warm stages")


async def test_the_next_node_of_a_chain_passes_on_what_is_left(member: MakeMember, tmp_path: Path) -> None:
    phone, tower = part_member(member, tmp_path, "phone"), part_member(member, tmp_path, "tower")
    await acquainted(phone, tower)
    band = PartPuppet("band")
    await band.meet(phone)
    band.say(*band.hand_over(phone, chain(phone, tower), crossing=crossing(4)))
    result, outputs = await band.answer_of("r1")
    assert [(hop.node, hop.stages) for hop in result.answer.route] == [("phone", (1, 2)), ("tower", (2, 3))]
    np.testing.assert_equal(outputs, answer_to(question(4)))
    (asked,) = tower.asked_by_peers()
    assert (asked.via, asked.partial and [leg.first for leg in asked.partial.legs]) == ((band.id, phone.id), [2])


async def test_a_chain_whose_last_node_is_gone_ends_where_it_is(member: MakeMember, tmp_path: Path) -> None:
    phone, tower = part_member(member, tmp_path, "phone"), part_member(member, tmp_path, "tower")
    await acquainted(phone, tower)
    tower.node.intake.take = lambda *_args, **_kw: tower.sessions[phone.id].abort()  # type: ignore[method-assign]
    band = PartPuppet("band")
    await band.meet(phone)
    band.say(*band.hand_over(phone, chain(phone, tower)))
    result, outputs = await band.answer_of("r1")
    assert [(hop.node, hop.stages) for hop in result.answer.route] == [("phone", (1, 2)), ("phone", (2, 3))]
    np.testing.assert_equal(outputs, answer_to(question()))


def chain(one: Member, two: Member) -> Partial:
    """Return the second stage on one node and the third on another."""
    legs = (Leg(node_id=one.id, node=one.name, first=1, last=2), Leg(node_id=two.id, node=two.name, first=2, last=3))
    return Partial(artifact=ARTIFACT, legs=legs)


async def test_shares_of_a_batch_come_together_in_order(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    result = await band.client().infer(question(4), model=CUTTABLE, plan="band x2, kitchen x2", request_id="r" * 64)
    check_answer(result, 4)
    assert route(result) == [("band", None), ("kitchen", None)]
    assert [m.tensors[0].shape for m in kitchen.asked_by_peers()] == [(2, SAMPLES)]


async def test_a_share_is_ended_by_nobody_but_the_node_that_opened_it(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)

    def interfere(_message: object) -> None:
        for number in range(2):
            band.node.intake.withdraw("a stranger", f"r1/{number}")

    kitchen.overhears = interfere
    client = band.client()
    check_answer(await client.infer(question(4), model=CUTTABLE, plan="band x2, kitchen x2", request_id="r1"), 4)
    story = await client.query("explain", request_id="r1")
    assert [part["outcome"] for part in story["parts"]] == ["answered"] * 2


async def test_the_one_plan_that_was_named_is_followed_or_refused(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    result = await band.client().infer(question(), model=CUTTABLE, plan="kitchen")
    assert route(result) == [("kitchen", None)]
    with pytest.raises(NoCandidate, match="'kitchn' is no node that hosts it; did you mean 'kitchen'"):
        await band.client().infer(question(), model=CUTTABLE, plan="kitchn")
    assert len(kitchen.asked_by_peers()) == 1


async def test_nothing_of_a_request_is_held_once_it_has_ended(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    peaks: list[int] = []
    kitchen.overhears = lambda _message: peaks.append(band.ledger.live_bytes)
    inputs = question(4)
    await band.client().infer(inputs, model=CUTTABLE, plan="band 0-1, kitchen 1-3")
    crossing_bytes = 4 * (16 * 4 + 4)
    assert max(peaks) == sum(array.nbytes for array in inputs.values()) + crossing_bytes
    assert (band.ledger.live_bytes, kitchen.ledger.live_bytes) == (0, 0)


async def test_a_child_holds_no_tensors_that_its_parent_holds(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    peaks: list[int] = []
    kitchen.overhears = lambda _message: peaks.append(band.ledger.live_bytes)
    inputs = question(4)
    await band.client().infer(inputs, model=CUTTABLE, plan="band x2, kitchen x2")
    assert max(peaks) == sum(array.nbytes for array in inputs.values())


async def test_a_lost_tail_is_run_here_from_where_the_head_ended(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen, _ = await splitting_band_and_kitchen(member, tmp_path)
    kitchen.node.intake.take = lambda *_args, **_kw: kitchen.sessions[band.id].abort()  # type: ignore[method-assign]
    result = await band.client().infer(question(), model=CUTTABLE)
    check_answer(result)
    (first, head), (second, tail) = route(result)
    assert (first, second) == ("band", "band")
    assert head is not None
    assert (head[0], tail) == (0, (head[1], N_STAGES))


async def test_a_node_that_leaves_between_plan_and_dispatch_is_done_without(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen, policy = await splitting_band_and_kitchen(member, tmp_path)
    policy.on_choice = band.sessions[kitchen.id].abort
    result = await band.client().infer(question(), model=CUTTABLE)
    check_answer(result)
    assert {node for node, _ in route(result)} == {"band"}
    assert kitchen.asked_by_peers() == []


async def test_an_emergency_runs_on_two_nodes_and_takes_the_first_answer(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    result = await band.client().infer(question(), model=CUTTABLE, priority="emergency")
    check_answer(result)
    await until(lambda: len(kitchen.asked_by_peers()) == 1)


async def test_explain_tells_of_legs_with_what_was_predicted_and_what_came(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    client = band.client()
    await client.infer(question(), model=CUTTABLE, plan="band 0-1, kitchen 1-3")
    story = await client.query("explain")
    (decision,) = story["decisions"]
    chosen = decision["candidates"][decision["chosen"]]
    assert [(leg["node"], leg["first"], leg["last"], leg["codec"]) for leg in chosen["legs"]] == [
        ("band", 0, 1, "raw"),
        ("kitchen", 1, 3, "raw"),
    ]
    assert all(leg["actual_compute_s"] > 0.0 for leg in chosen["legs"])
    assert [leg["predicted_transfer_s"] > 0.0 for leg in chosen["legs"]] == [False, True]
    assert {c["mask"] for c in decision["candidates"] if c is not chosen} == {"not_the_plan"}
    assert [hop["stages"] for hop in story["route"]] == [[0, 1], [1, 3]]
    assert story["plan"] == "band 0-1, kitchen 1-3"


async def test_explain_tells_of_shares_and_of_each_of_them(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    client = band.client()
    await client.infer(question(4), model=CUTTABLE, plan="band x2, kitchen x2")
    story = await client.query("explain")
    chosen = story["decisions"][0]["candidates"][story["decisions"][0]["chosen"]]
    assert [(share["node"], share["items"]) for share in chosen["shares"]] == [("band", 2), ("kitchen", 2)]
    assert all(share["actual_compute_s"] > 0.0 for share in chosen["shares"])
    assert [(part["batch"], part["outcome"]) for part in story["parts"]] == [(2, "answered")] * 2


async def test_a_client_may_not_hand_over_the_rest_of_a_plan(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    client = band.client()
    message, parts = PartPuppet("liar").hand_over(band, via=())
    client.expect(message.request_id)
    await client.session.opened()
    assert client.session.send(message, parts)
    assert isinstance(await client.outcome(message.request_id), InvalidInput)


async def test_tensors_are_encoded_for_a_slow_link(member: MakeMember, tmp_path: Path) -> None:
    policy = Splits()
    form = cuttable_manifest(cuttable_model(), privacy="device", private_depth=1)
    band, kitchen = part_member(member, tmp_path, "band", form=form, policy=policy), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band, kitchen.on_a_slow_link())
    await until(lambda: band.knows(kitchen.id))
    client = band.client()
    await client.send(question(8), model=CUTTABLE, request_id="r1")
    asked = await kitchen.next_request()
    assert [(header.name, header.dtype, header.codec) for header in asked.tensors] == [
        ("x", "float32", "fp16"),
        ("bias", "float32", "fp16"),
    ]
    sent = decode_tensors(asked.tensors, memoryview(kitchen.received[-1][1]))
    np.testing.assert_equal(sent, crossing(8))
    kitchen.say(Refusal(request_id="r1", code="overloaded", message="later"))
    result = await client.outcome("r1")
    assert isinstance(result, Result)
    check_answer(result, 8)


async def test_who_forbids_codecs_that_lose_anything_has_tensors_travel_raw_over_the_slowest_link(
    member: MakeMember, tmp_path: Path
) -> None:
    form = cuttable_manifest(cuttable_model(), privacy="device", private_depth=1)
    band, kitchen = part_member(member, tmp_path, "band", form=form, policy=Splits()), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band, kitchen.on_a_slow_link())
    await until(lambda: band.knows(kitchen.id))
    client = band.client()
    await client.send(question(8), model=CUTTABLE, request_id="r1", lossless=True)
    asked = await kitchen.next_request()
    assert asked.lossless
    assert {header.codec for header in asked.tensors} == {"raw"}
    kitchen.say(Refusal(request_id="r1", code="overloaded", message="later"))
    result = await client.outcome("r1")
    assert isinstance(result, Result)
    check_answer(result, 8)


async def test_what_a_codec_cannot_hold_travels_raw_and_is_told_so(member: MakeMember, tmp_path: Path) -> None:
    form = cuttable_manifest(cuttable_model(), privacy="device", private_depth=1)
    band, kitchen = part_member(member, tmp_path, "band", form=form, policy=Splits()), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band, kitchen.on_a_slow_link())
    await until(lambda: band.knows(kitchen.id))
    client, beyond_fp16 = band.client(), {name: np.full_like(array, 32767) for name, array in question(8).items()}
    beyond_fp16["gain"] *= 10
    await client.send(beyond_fp16, model=CUTTABLE, request_id="r1")
    assert {header.codec for header in (await kitchen.next_request()).tensors} == {"raw"}
    entry = band.ledger.get("r1")
    assert entry is not None
    assert entry.codecs == ["raw"]
    kitchen.say(Refusal(request_id="r1", code="overloaded", message="later"))
    assert isinstance(await client.outcome("r1"), Result)


async def test_encoded_tensors_of_the_rest_of_a_plan_are_decoded(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = part_member(member, tmp_path, "band"), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band)
    kitchen.say(*kitchen.hand_over(band, crossing=crossing(4), encodings=dict.fromkeys(("x", "bias"), ENCODING)))
    _, outputs = await kitchen.answer_of("r1")
    np.testing.assert_equal(outputs, answer_to(question(4)))


LARGE = 20_000
"""Items whose encoding takes several milliseconds."""


async def band_that_encodes_long(member: MakeMember, folder: Path) -> tuple[Member, PartPuppet]:
    """Return a node that cuts large batches before a peer behind a slow link."""
    form = cuttable_manifest(cuttable_model(), privacy="device", private_depth=1)
    form = replace(form, axes={"batch": Axis(min=1, max=LARGE)})
    band, kitchen = part_member(member, folder, "band", form=form, policy=Splits()), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band, kitchen.on_a_slow_link())
    await until(lambda: band.knows(kitchen.id))
    return band, kitchen


async def test_what_takes_long_to_encode_is_encoded_beside_the_loop(
    member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, kitchen = await band_that_encodes_long(member, tmp_path)
    threads: list[str] = []

    def observed(*args: Any) -> Any:
        threads.append(current_thread().name)
        return encode_tensors(*args)

    monkeypatch.setattr("meshd.daemon.errands.encode_tensors", observed)
    client = band.client()
    await client.send(question(LARGE), model=CUTTABLE, request_id="r1", deadline_s=60.0)
    assert (await kitchen.next_request()).tensors[0].codec == "fp16"
    assert len(threads) == 1
    assert threads[0] != main_thread().name
    kitchen.say(Refusal(request_id="r1", code="overloaded", message="later"))
    assert isinstance(await client.outcome("r1"), Result)


async def test_what_was_called_off_while_it_was_encoded_is_not_sent(
    member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, kitchen = await band_that_encodes_long(member, tmp_path)
    begun, go_on = Event(), Event()

    def held_up(*args: Any) -> Any:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return encode_tensors(*args)

    monkeypatch.setattr("meshd.daemon.errands.encode_tensors", held_up)
    client = band.client()
    await client.send(question(LARGE), model=CUTTABLE, request_id="r1", deadline_s=60.0)
    await until(begun.is_set, "the beginning of encoding")
    client.session.send(Cancel(request_id="r1"))
    await until(lambda: band.ledger.live_bytes == 0, "the end of the request")
    go_on.set()
    await pong(kitchen)
    assert kitchen.asked == []


async def test_requests_that_wait_for_one_model_are_run_together_and_answered_apart(
    member: MakeMember, tmp_path: Path
) -> None:
    band = part_member(member, tmp_path, "band", settings={"batch_latency_s": 1.0})
    band.executor.cool(ARTIFACT)
    together, run = list[int](), band.executor.submit_together

    def observed(key: Any, requests: Any) -> Any:
        together.append(len(requests))
        return run(key, requests)

    band.executor.submit_together = observed  # type: ignore[method-assign]
    client = band.client()
    asked = {await client.send(question(1, level), model=CUTTABLE): level for level in range(5)}
    for request_id, level in asked.items():
        result = await client.outcome(request_id)
        assert isinstance(result, Result)
        np.testing.assert_equal(result.outputs, answer_to(question(1, level)))
    assert together == [4]


async def test_a_model_whose_stages_are_others_than_its_manifest_says_stays_whole(
    member: MakeMember, tmp_path: Path
) -> None:
    form = cuttable_manifest(cuttable_model(), stages=("0" * 64,) * N_STAGES)
    band = part_member(member, tmp_path, "band", form=form)
    await until(lambda: bool(band.keeper._divider._refused), "word that its stages are refused")
    result = await band.client().infer(question(), model=CUTTABLE)
    check_answer(result)
    assert [hosted.stages for hosted in band.node.scheduler.profile.hosted] == [()]


async def test_a_race_is_told_with_both_of_its_nodes(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    client = band.client()
    result = await client.infer(question(), model=CUTTABLE, priority="emergency")
    story = await client.query("explain")
    assert [part["outcome"] for part in story["parts"]].count("answered") == 1
    assert {node for node, _ in route(result)} <= {"band", "kitchen"}
    await until(lambda: kitchen.ledger.live_bytes == 0)
