"""What a peer may get wrong, or do on purpose, with a part of a run: another plan or a typed error, no wrong answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.client.result import Result as Answered
from meshd.core.node import DeviceClass
from meshd.core.plan import Leg, Partial
from meshd.errors import InvalidInput, MeshError, Overloaded, RefusedByPrivacy, StageMismatch
from meshd.net.memory import MemoryTransport
from meshd.wire.messages import Infer, Refusal, Result, TensorHeader
from meshd.wire.tensors import encode_tensors
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Asker, Member, node_id_of, until
from tests.daemon.parts import (
    ARTIFACT,
    CUTTABLE,
    N_STAGES,
    PartPuppet,
    Splits,
    answer_to,
    crossing,
    part_member,
    question,
    with_stages,
)
from tests.daemon.test_bad_peers import pong
from tests.executor.cuttable import ENCODING, cuttable_manifest, cuttable_model

SCORE = TensorHeader(name="score", dtype="float32", shape=(1,))
MEAN = TensorHeader(name="mean", dtype="float32", shape=(1,))
PRIVATE = cuttable_manifest(cuttable_model(), privacy="device", private_depth=1)
IMPATIENT = {"patience_floor_s": 0.05}


async def band_that_splits(member: MakeMember, folder: Path, **options: Any) -> tuple[Member, PartPuppet]:
    """Return a node whose every plan is a head of its own and a tail at a peer that a test speaks for."""
    band = part_member(member, folder, "band", form=PRIVATE, policy=Splits(), **options)
    kitchen = PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band)
    return band, kitchen


def check_own_answer(outcome: object) -> None:
    """Fail unless this node has answered alone, and right."""
    assert isinstance(outcome, Answered), outcome
    assert {hop.node for hop in outcome.route} == {"band"}
    np.testing.assert_equal(outcome.outputs, answer_to(question()))


BAD_TAILS: dict[str, dict[str, Any]] = {
    "another shape": {"tensors": (replace(SCORE, shape=(2,)), MEAN), "payload": bytes(12)},
    "another dtype": {"tensors": (replace(SCORE, dtype="int32"), MEAN)},
    "another name": {"tensors": (replace(SCORE, name="x"), MEAN)},
    "too few bytes": {"payload": bytes(7)},
    "NaN": {"payload": np.full(2, np.nan, np.float32).tobytes()},
    "a codec and no length": {"tensors": (replace(SCORE, codec="jpeg"), MEAN)},
    "no picture at all": {"tensors": (replace(SCORE, codec="jpeg", encoded_bytes=4), MEAN)},
    "a codec that nobody asked for": {
        "tensors": (replace(SCORE, codec="fp16", encoded_bytes=2), MEAN),
        "payload": bytes(6),
    },
    "another tier": {"tier": DeviceClass.UPSTREAM},
    "a whole run": {"route": "whole"},
    "stages out of order": {"route": [(2, 3), (1, 2)]},
    "stages that were not asked for": {"route": [(0, 3)]},
    "too few stages": {"route": [(1, 2)]},
    "more hops than there are stages": {"route": [(1, 2), (2, 2), (2, 3)]},
}


@pytest.mark.parametrize("flaw", BAD_TAILS.values(), ids=BAD_TAILS.keys())
async def test_a_tail_that_breaks_its_promise_is_run_elsewhere(
    member: MakeMember, tmp_path: Path, flaw: dict[str, Any]
) -> None:
    band, kitchen = await band_that_splits(member, tmp_path)
    client = band.client()
    await client.send(question(), model=CUTTABLE, request_id="r1")
    asked = await kitchen.next_request()
    kitchen.say(*tail(kitchen, asked.partial, **flaw))
    check_own_answer(await client.outcome("r1"))


def tail(kitchen: PartPuppet, rest: Partial | None, **flaw: Any) -> tuple[Result, tuple[bytes]]:
    """Return the answer to the rest of a plan, but for the flaw."""
    assert rest is not None
    stages = flaw.pop("route", [(rest.legs[0].first, N_STAGES)])
    hops = kitchen.answer().route if stages == "whole" else tuple(kitchen.hop(*pair) for pair in stages)
    sound: dict[str, Any] = {"model": CUTTABLE, "variant": "fp32", "tensors": (SCORE, MEAN), "payload": bytes(8)}
    return kitchen.result("r1", **{**sound, "route": hops, **flaw})


async def test_a_tail_that_keeps_its_promise_is_taken(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_splits(member, tmp_path)
    client = band.client()
    await client.send(question(), model=CUTTABLE, request_id="r1")
    kitchen.say(*tail(kitchen, (await kitchen.next_request()).partial))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, Answered)
    assert [hop.node for hop in outcome.route] == ["band", "kitchen"]


async def test_a_tail_counts_once(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_splits(member, tmp_path)
    client = band.client()
    await client.send(question(), model=CUTTABLE, request_id="r1")
    rest = (await kitchen.next_request()).partial
    for _ in range(3):
        kitchen.say(*tail(kitchen, rest))
    await pong(kitchen)
    assert len(client.outcomes("r1")) == 1


async def test_a_tail_that_comes_too_late_changes_nothing(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_splits(member, tmp_path, settings=IMPATIENT)
    client = band.client()
    await client.send(question(), model=CUTTABLE, request_id="r1")
    rest = (await kitchen.next_request()).partial
    check_own_answer(await client.outcome("r1"))
    kitchen.say(*tail(kitchen, rest))
    await pong(kitchen)
    assert len(client.outcomes("r1")) == 1


async def test_a_peer_that_stops_reading_keeps_nobody_waiting(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_splits(member, tmp_path, settings=IMPATIENT)
    assert isinstance(kitchen.session._transport, MemoryTransport)
    kitchen.session._transport.incoming.hold()
    client = band.client()
    for number in range(3):
        await client.send(question(), model=CUTTABLE, request_id=f"r{number}")
    for number in range(3):
        check_own_answer(await client.outcome(f"r{number}"))
    assert band.ledger.live_bytes == 0


async def test_a_peer_with_another_artifact_says_so_and_is_done_without(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_splits(member, tmp_path)
    client = band.client()
    await client.send(question(), model=CUTTABLE, request_id="r1")
    await kitchen.next_request()
    kitchen.say(Refusal(request_id="r1", code=StageMismatch.code, message="another one is here"))
    check_own_answer(await client.outcome("r1"))


async def test_a_rest_of_another_artifact_is_refused_with_both_hashes(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, kitchen.rest(band, artifact="f" * 64)))
    refusal = await kitchen.refusal_of("r1")
    assert refusal.code == StageMismatch.code
    assert "f" * 64 in refusal.message
    assert ARTIFACT in refusal.message


async def band_that_is_asked(member: MakeMember, folder: Path, **options: Any) -> tuple[Member, PartPuppet]:
    """Return a node, and a peer that hands over rests of plans as a test says."""
    band, kitchen = part_member(member, folder, "band", **options), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band)
    return band, kitchen


async def test_the_rest_of_a_plan_is_run_and_answered(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, crossing=crossing(2)))
    result, outputs = await kitchen.answer_of("r1")
    assert [hop.stages for hop in result.answer.route] == [(1, 3)]
    np.testing.assert_equal(outputs, answer_to(question(2)))


X, BIAS = crossing()["x"], crossing()["bias"]
BAD_CROSSINGS: dict[str, dict[str, Any]] = {
    "another shape": {"x": X[:, :8], "bias": BIAS},
    "another dtype": {"x": X.astype(np.float64), "bias": BIAS},
    "another rank": {"x": X[0], "bias": BIAS},
    "another name": {"y": X, "bias": BIAS},
    "one too few": {"x": X},
    "one too many": {"x": X, "bias": BIAS, "z": X},
    "batches that differ": {"x": crossing(2)["x"], "bias": BIAS},
    "more items than may be": crossing(9),
    "no items": crossing(0),
}


@pytest.mark.parametrize("tensors", BAD_CROSSINGS.values(), ids=BAD_CROSSINGS.keys())
async def test_what_does_not_cross_there_is_refused(member: MakeMember, tmp_path: Path, tensors: Any) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, crossing=tensors))
    assert (await kitchen.refusal_of("r1")).code == InvalidInput.code


def legs(band: Member, *ranges: tuple[int, int], others: tuple[str, ...] = ()) -> Partial:
    """Return a plan whose first part is this node's and whose other parts are other nodes'."""
    nodes = ((band.id, band.name), *((node_id_of(name), name) for name in others))
    placed = zip(nodes, ranges, strict=True)
    return Partial(
        artifact=ARTIFACT,
        legs=tuple(Leg(node_id=i, node=name, first=first, last=last) for (i, name), (first, last) in placed),
    )


FORGED: dict[str, tuple[tuple[tuple[int, int], ...], tuple[str, ...]]] = {
    "a gap": (((1, 2), (3, 3)), ("attic",)),
    "an overlap": (((1, 3), (2, 3)), ("attic",)),
    "backwards": (((2, 1),), ()),
    "nothing": (((1, 1),), ()),
    "not to the end": (((1, 2),), ()),
    "beyond the end": (((1, 9),), ()),
    "from the start": (((0, 3),), ()),
    "a loop to itself": (((1, 2), (2, 3)), ("band",)),
    "a loop to the sender": (((1, 2), (2, 3)), ("kitchen",)),
}


@pytest.mark.parametrize(("ranges", "others"), FORGED.values(), ids=FORGED.keys())
async def test_a_forged_plan_ends_in_a_typed_error_or_here(
    member: MakeMember, tmp_path: Path, ranges: tuple[tuple[int, int], ...], others: tuple[str, ...]
) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, legs(band, *ranges, others=others)))
    await until(lambda: any(isinstance(m, Result | Refusal) for m, _ in kitchen.received), "an end")
    assert kitchen.asked == []
    end = next(m for m, _ in kitchen.received if isinstance(m, Result | Refusal))
    if isinstance(end, Refusal):
        assert end.code in {StageMismatch.code, InvalidInput.code}
    else:
        assert {hop.node for hop in end.answer.route} == {"band"}


async def test_a_plan_for_another_node_is_refused(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    other = Leg(node_id=node_id_of("attic"), node="attic", first=1, last=3)
    kitchen.say(*kitchen.hand_over(band, Partial(artifact=ARTIFACT, legs=(other,))))
    assert (await kitchen.refusal_of("r1")).code == StageMismatch.code


async def test_a_plan_that_goes_on_at_a_node_nobody_knows_ends_here(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, legs(band, (1, 2), (2, 3), others=("attic",))))
    result, outputs = await kitchen.answer_of("r1")
    assert {hop.node for hop in result.answer.route} == {"band"}
    np.testing.assert_equal(outputs, answer_to(question()))


async def test_activations_that_stay_on_their_node_are_not_looked_at(member: MakeMember, tmp_path: Path) -> None:
    form = cuttable_manifest(cuttable_model(), privacy="device", private_depth=2)
    band, kitchen = await band_that_is_asked(member, tmp_path, form=form)
    kitchen.say(*kitchen.hand_over(band))
    assert (await kitchen.refusal_of("r1")).code == RefusedByPrivacy.code
    inputs = crossing()
    deeper = {"z": np.abs(inputs["x"]), "bias": inputs["bias"], "mean": inputs["x"].mean(axis=1)}
    kitchen.say(*kitchen.hand_over(band, kitchen.rest(band, first=2), request_id="r2", crossing=deeper))
    _, outputs = await kitchen.answer_of("r2")
    np.testing.assert_equal(outputs, answer_to(question()))


async def test_a_rest_without_its_tier_is_refused(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, start_tier=None))
    assert (await kitchen.refusal_of("r1")).code == InvalidInput.code


async def test_a_peer_may_not_name_a_plan(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, plan="band"))
    assert (await kitchen.refusal_of("r1")).code == InvalidInput.code


async def test_a_flood_of_rests_is_shed_and_leaves_nothing(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path, settings={"max_requests": 4, "max_queued": 2})
    for number in range(40):
        kitchen.say(*kitchen.hand_over(band, request_id=f"r{number}"))
    await until(lambda: len(ends_at(kitchen)) == 40, "the end of every one")
    codes = {end.code for end in ends_at(kitchen) if isinstance(end, Refusal)}
    assert codes <= {Overloaded.code}
    client = band.client()
    check_own_answer(await ask(client))
    assert band.ledger.live_bytes == 0


def ends_at(puppet: PartPuppet) -> list[Result | Refusal]:
    return [message for message, _ in puppet.received if isinstance(message, Result | Refusal)]


async def ask(client: Asker) -> Answered | MeshError:
    return await client.infer(question(), model=CUTTABLE)


async def test_encoded_tensors_count_as_what_they_are_once_decoded(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    run, held = band.executor.submit, list[int]()

    def observed(*args: Any, **options: Any) -> Any:
        held.append(band.ledger.live_bytes)
        return run(*args, **options)

    band.executor.submit = observed  # type: ignore[method-assign]
    tensors = crossing(4)
    kitchen.say(*kitchen.hand_over(band, crossing=tensors, encodings={"x": ENCODING}))
    await kitchen.answer_of("r1")
    x_bytes, bias_bytes = (tensors[name].nbytes for name in ("x", "bias"))
    assert held == [x_bytes // 2 + bias_bytes + x_bytes]


async def test_a_clients_id_leaves_room_for_the_numbers_of_its_parts(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_that_is_asked(member, tmp_path)
    client = band.client()
    await client.session.opened()
    headers, parts = encode_tensors(question())
    client.expect("r" * 65)
    client.session.send(Infer(request_id="r" * 65, model=CUTTABLE, tensors=headers, deadline_s=1.0), parts)
    assert isinstance(await client.outcome("r" * 65), InvalidInput)


@pytest.mark.parametrize("shape", [(1, 2**20), (2**31,) * 8])
async def test_what_is_not_wanted_is_refused_before_it_is_decoded(
    member: MakeMember, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    band, kitchen = await band_that_is_asked(member, tmp_path)
    x = TensorHeader(name="x", dtype="float32", shape=shape, codec="jpeg", encoded_bytes=4)
    message, _ = kitchen.hand_over(band)
    kitchen.say(replace(message, tensors=(x, message.tensors[1])), (bytes(8),))
    refusal = await kitchen.refusal_of("r1")
    assert refusal.code == InvalidInput.code
    assert "axis 1 and must have 16" in refusal.message or "of shape" in refusal.message
