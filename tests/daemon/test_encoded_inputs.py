"""Encoded tensors on their way in: only as the manifest lists them, and nobody else waits while they are decoded."""

from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.core.ids import RequestId
from meshd.errors import InvalidInput
from meshd.wire.messages import Cancel, Infer, TensorHeader
from meshd.wire.tensors import decode_tensors
from model_registry.encoding import Encoding
from model_registry.tensor import Axis
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import PATIENCE_S, Member, until
from tests.daemon.parts import PartPuppet, answer_to, crossing, part_member, question, with_stages
from tests.daemon.test_bad_peers import pong
from tests.executor.cuttable import ENCODING, cuttable_manifest, cuttable_model

LARGE = 20_000
"""Items whose decoding takes more than a millisecond."""
AS_LISTED = dict.fromkeys(("x", "bias"), ENCODING)


async def band_and_kitchen(member: MakeMember, folder: Path) -> tuple[Member, PartPuppet]:
    """Return a node that takes large batches, and a peer that hands it the rest of runs."""
    form = replace(cuttable_manifest(cuttable_model()), axes={"batch": Axis(min=1, max=LARGE)})
    band, kitchen = part_member(member, folder, "band", form=form), PartPuppet("kitchen")
    await with_stages(band)
    await kitchen.meet(band)
    return band, kitchen


class Decoder:
    """Stands before the decoding of what comes in, and lets it begin when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[str] = []
        self.begun, self.go_on = Event(), Event()
        monkeypatch.setattr("meshd.daemon.intake.decode_tensors", self)

    def __call__(self, *args: Any) -> Any:
        self.threads.append(current_thread().name)
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        return decode_tensors(*args)


async def test_a_codec_that_the_manifest_does_not_list_for_a_tensor_is_refused(
    member: MakeMember, tmp_path: Path
) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    kitchen.say(*kitchen.hand_over(band, crossing=crossing(4), encodings={"x": Encoding(codec="int8", ratio=0.25)}))
    refusal = await kitchen.refusal_of("r1")
    assert (refusal.code, "came as int8" in refusal.message) == ("invalid_input", True)


async def test_what_takes_long_to_decode_is_decoded_beside_the_loop(
    member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    decoder = Decoder(monkeypatch)
    message, parts = kitchen.hand_over(band, crossing=crossing(LARGE), encodings=AS_LISTED, deadline_s=60.0)
    kitchen.say(message, parts)
    await until(decoder.begun.is_set, "the beginning of decoding")
    await pong(kitchen)
    kitchen.say(message, parts)  # Asked again meanwhile: it joins.
    await pong(kitchen)
    decoder.go_on.set()
    _, outputs = await kitchen.answer_of("r1")
    for name, exact in answer_to(question(LARGE)).items():
        np.testing.assert_allclose(outputs[name], exact, rtol=ENCODING.error)
    assert [name == main_thread().name for name in decoder.threads] == [False]
    assert band.ledger.live_bytes == 0


async def test_bytes_that_are_long_beside_what_they_decode_to_keep_nobody_waiting(
    member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    decoder = Decoder(monkeypatch)
    decoder.go_on.set()
    message, _ = kitchen.hand_over(band, crossing=crossing(1), encodings=AS_LISTED)
    n_bytes = 4 * 2**20
    tensors = tuple(replace(header, encoded_bytes=n_bytes) for header in message.tensors)
    kitchen.say(replace(message, tensors=tensors), (bytes(n_bytes),) * len(tensors))
    assert (await kitchen.refusal_of("r1")).code == "invalid_input"
    assert [name == main_thread().name for name in decoder.threads] == [False]


async def test_what_one_owner_has_decoded_is_bounded_and_counted_until_it_is(
    member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshd.daemon.intake.MOST_DECODING_S", 0.0)
    band, kitchen = await band_and_kitchen(member, tmp_path)
    decoder = Decoder(monkeypatch)

    def ask(request_id: str) -> None:
        large = crossing(LARGE)
        kitchen.say(*kitchen.hand_over(band, request_id=request_id, crossing=large, encodings=AS_LISTED))

    ask("r1")
    await until(decoder.begun.is_set, "the beginning of decoding")
    ask("r2")
    refusal = await kitchen.refusal_of("r2")
    assert (refusal.code, "decoding what came from there takes" in refusal.message) == ("overloaded", True)
    decoder.go_on.set()
    await kitchen.answer_of("r1")
    ask("r3")
    await kitchen.answer_of("r3")


async def test_encoded_tensors_for_a_model_without_a_manifest_are_not_decoded(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, decoder = member("hub"), Decoder(monkeypatch)
    decoder.go_on.set()
    client = band.client()
    await client.session.opened()
    client.expect("r1")
    header = TensorHeader(name="x", dtype="uint8", shape=(1000, 1, 1, 1), codec="jpeg", encoded_bytes=4000)
    client.session.send(Infer(request_id="r1", model="elsewhere", tensors=(header,), deadline_s=5.0), (bytes(4000),))
    outcome = await client.outcome("r1")
    assert isinstance(outcome, InvalidInput), outcome
    assert decoder.threads == []


async def test_what_is_called_off_while_it_is_decoded_is_not_run(
    member: MakeMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    decoder = Decoder(monkeypatch)
    kitchen.say(*kitchen.hand_over(band, crossing=crossing(LARGE), encodings=AS_LISTED, deadline_s=60.0))
    await until(decoder.begun.is_set, "the beginning of decoding")
    assert band.ledger.live_bytes > 0
    kitchen.say(Cancel(request_id="r1"))
    await until(lambda: band.ledger.live_bytes == 0, "the end of the request")
    decoder.go_on.set()
    kitchen.say(*kitchen.hand_over(band, request_id="r2"))
    await kitchen.answer_of("r2")
    assert band.node.scheduler.explanations.get(RequestId("r1")) is None


async def test_large_tensors_unlike_their_headers_are_refused(member: MakeMember, tmp_path: Path) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    message, _ = kitchen.hand_over(band, crossing=crossing(LARGE), encodings=AS_LISTED)
    shorter = tuple(replace(header, encoded_bytes=2) for header in message.tensors)
    kitchen.say(replace(message, tensors=shorter), (bytes(4),))
    assert (await kitchen.refusal_of("r1")).code == "invalid_input"
    assert band.ledger.live_bytes == 0
