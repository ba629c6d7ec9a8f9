"""Bringing, fetching, removing and pinning models: one order to the daemon each, and what came of it is told."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.documents import Arrival, Done, ModelsDocument, Taken
from meshd.wire.messages import Install, Order
from tests.cli import samples
from tests.cli.conftest import Command, Ended
from tests.cli.fake_daemon import FakeDaemon
from tests.registry.manifests import VALID, write_bundle

TAKEN = Taken(
    model=ModelName("news"),
    version="1.0.0",
    hosted="hub/int8",
    kept=("watch/int8", "hub/int8"),
    left_out=("phone/fp32",),
)
ARRIVAL = Arrival(
    model=ModelName("news"),
    version="1.0.0",
    tier=DeviceClass.HUB,
    variant="int8",
    artifact=ArtifactHash("aa" * 32),
    come_bytes=250_000,
    size_bytes=1_000_000,
    sources=("kitchen", "attic"),
)


def told_of(ended: Ended) -> tuple[int, list[str], list[str]]:
    return ended.code, ended.out.splitlines(), ended.err.splitlines()


def test_what_became_of_a_bundle_is_told(meshd: Command, daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.documents["install"] = TAKEN
    ended = meshd("models", "add", write_bundle(tmp_path / "bundle"))
    assert told_of(ended) == (
        0,
        ["news 1.0.0: hub/int8 runs here"],
        [
            "Kept beside it, for other devices: watch/int8.",
            "Left out, for models.disk_budget_bytes has no room: phone/fp32.",
        ],
    )
    assert [type(message) for message in daemon.asked] == [Install]


def test_a_bundle_that_is_none_is_not_sent(meshd: Command, daemon: FakeDaemon, tmp_path: Path) -> None:
    ended = meshd("models", "add", tmp_path)
    assert (ended.code, daemon.asked) == (1, [])
    assert "manifest.toml cannot be read" in ended.err
    assert "meshd models import" in ended.err


def test_json_is_the_document_that_the_daemon_sent(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["fetch"] = TAKEN
    assert json.loads(meshd("models", "fetch", "news", "--json").out)["hosted"] == "hub/int8"


@pytest.mark.parametrize("action", ["remove", "pin", "unpin"])
def test_an_order_names_its_model_and_its_outcome_is_told(meshd: Command, daemon: FakeDaemon, action: str) -> None:
    daemon.documents[action] = Done(sentence="It was done.")
    assert told_of(meshd("models", action, "news")) == (0, ["It was done."], [])
    [order] = daemon.asked
    assert isinstance(order, Order)
    assert (order.action, order.model) == (action, "news")


@pytest.mark.parametrize("command", [("models",), ("status",)])
def test_what_is_on_its_way_is_shown(meshd: Command, daemon: FakeDaemon, command: tuple[str, ...]) -> None:
    daemon.documents["models"] = ModelsDocument(models=(), arriving=(ARRIVAL,))
    daemon.documents["status"] = replace(samples.STATUS, arriving=(ARRIVAL,))
    lines = " ".join(meshd(*command).out.split())
    assert "news 1.0.0 hub/int8: 25.0 % of 1.00 MB has come from kitchen, attic" in lines


def test_all_mistakes_of_a_bundle_are_told_and_it_is_not_sent(
    meshd: Command, daemon: FakeDaemon, tmp_path: Path
) -> None:
    bundle = write_bundle(
        tmp_path / "bundle", VALID.replace("privacy =", "privcy =").replace("macs = 1500000", 'macs = "many"')
    )
    ended = meshd("models", "add", bundle)
    assert (ended.code, daemon.asked) == (1, [])
    for told in ("unknown key 'privcy'", "expected `int`, got `str`", "meshd models check"):
        assert told in ended.err


def test_what_keeps_each_variant_from_running_is_told(meshd: Command, daemon: FakeDaemon) -> None:
    why = "news/hub/lite is a LiteRT model, and LiteRT is not installed here."
    daemon.documents["fetch"] = replace(TAKEN, hosted=None, kept=(), left_out=(), obstacles=(why,))
    assert told_of(meshd("models", "fetch", "news")) == (0, ["news 1.0.0: nothing of it runs here"], [why])
