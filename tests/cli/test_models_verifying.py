"""``meshd models verify`` says what was damaged and what was done, and ends with 4 where harm is left."""

import msgspec
import pytest

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.documents import Finding, VerifyDocument
from meshd.wire.messages import Order
from tests.cli.conftest import Command
from tests.cli.fake_daemon import FakeDaemon


def document(*findings: Finding) -> VerifyDocument:
    return VerifyDocument(artifacts=3, n_bytes=20_000_000, took_s=1.25, cpu_s=0.016, findings=findings)


MENDED = Finding(
    model=ModelName("ecg-anomaly"),
    version="1.0.0",
    tier=DeviceClass.PHONE,
    variant="int8",
    artifact=ArtifactHash("a" * 64),
    outcome="mended",
    damaged_pieces=2,
    pieces=640,
    serving=("phone/int8",),
)
QUARANTINED = msgspec.structs.replace(
    MENDED, outcome="quarantined", reason="90 pieces are damaged.", serving=("watch/int8",)
)
LOST = msgspec.structs.replace(QUARANTINED, serving=())


@pytest.mark.parametrize(
    ("findings", "code", "lines"),
    [
        ((), 0, ["3 artifacts (20.0 MB) read in 1.25 s: nothing is damaged."]),
        (
            (MENDED,),
            0,
            [
                "3 artifacts (20.0 MB) read in 1.25 s: not everything was sound.",
                "ecg-anomaly/phone/int8: 2 of 640 pieces were damaged and came from peers.",
            ],
        ),
        (
            (QUARANTINED, LOST),
            4,
            [
                "3 artifacts (20.0 MB) read in 1.25 s: not everything was sound.",
                "ecg-anomaly/phone/int8: in quarantine, watch/int8 serves in its place: 90 pieces are damaged.",
                "ecg-anomaly/phone/int8: in quarantine, nothing serves in its place: 90 pieces are damaged.",
            ],
        ),
    ],
)
def test_it_says_what_was_found_and_done(
    meshd: Command, daemon: FakeDaemon, findings: tuple[Finding, ...], *, code: int, lines: list[str]
) -> None:
    daemon.documents["verify"] = document(*findings)
    ended = meshd("models", "verify")
    assert (ended.code, ended.out.splitlines()) == (code, lines)


def test_json_is_exactly_the_daemons_document(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["verify"] = document(QUARANTINED)
    ended = meshd("models", "verify", "--json")
    assert (ended.code, msgspec.json.decode(ended.out, type=VerifyDocument)) == (4, document(QUARANTINED))


@pytest.mark.parametrize(("words", "model"), [((), "*"), (("ecg-anomaly",), "ecg-anomaly")])
def test_one_model_is_verified_when_it_is_named(
    meshd: Command, daemon: FakeDaemon, words: tuple[str, ...], model: str
) -> None:
    daemon.documents["verify"] = document()
    meshd("models", "verify", *words)
    assert [(order.action, order.model) for order in daemon.asked if isinstance(order, Order)] == [("verify", model)]
