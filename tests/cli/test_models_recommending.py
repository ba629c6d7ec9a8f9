"""`meshd models recommend` weighs a model for classes and nodes, with a daemon and without."""

import json
from pathlib import Path

import msgspec
import pytest

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import Telemetry
from meshd.documents import ManifestDocument
from model_registry import manifest as manifests
from tests.cli import samples
from tests.cli.conftest import Command, Ended
from tests.cli.fake_daemon import FakeDaemon
from tests.registry.manifests import HUB_MODEL, VALID, sha256, write_bundle

NO_DAEMON = "No daemon answers here: the classes are weighed, and no node.\n"


def lines(ended: Ended) -> list[str]:
    return [" ".join(line.split()) for line in ended.out.splitlines() if line.strip()]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def mesh(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    """A watch that was asked and a hub that hosts the hub tier and has 200 MB free."""
    monkeypatch.setenv("COLUMNS", "120")
    hosting = samples.MODELS.models[0].tiers[0]
    hub = msgspec.structs.replace(
        hosting,
        artifact=ArtifactHash(sha256(HUB_MODEL)),
        hosts=(msgspec.structs.replace(hosting.hosts[0], node="kitchen"),),
    )
    model = msgspec.structs.replace(samples.MODELS.models[0], tiers=(hub,))
    telemetry = Telemetry(free_memory_bytes=200_000_000)
    daemon.documents = {
        "status": samples.STATUS,
        "peers": msgspec.structs.replace(samples.PEERS, peers=(samples.peer(telemetry=telemetry),)),
        "models": msgspec.structs.replace(samples.MODELS, models=(model,)),
        "manifest": ManifestDocument(model=ModelName("ecg-anomaly"), text=manifests.dumps(manifests.loads(VALID))),
    }
    return daemon


def test_a_bundle_is_weighed_for_every_class_without_a_daemon(
    meshd: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    ended = meshd("models", "recommend", bundle, "--deadline", "0.01")
    assert (ended.code, ended.err) == (0, NO_DAEMON)
    assert lines(ended) == [
        "ecg-anomaly 1.0.0 Says whether ten seconds of one lead hold an ectopic beat",
        "device class tier variant time likely range energy memory",
        "watch watch watch int8 1.15 ms 0.46 ms to 2.87 ms ~287 µJ —",
        "phone phone watch int8 29.4 µs 11.8 µs to 73.6 µs ~44.2 µJ —",
        "hub hub hub fp32 3.21 ms 1.43 ms to 7.19 ms ~4.90 mJ —",
        "upstream upstream hub fp32 0.54 ms 0.24 ms to 1.20 ms ~67.0 mJ —",
        "Times and joules are predictions where no node measured them. `--device` tells all about one.",
    ]


def test_a_device_that_cannot_run_it_is_told_with_the_limit_that_broke(
    meshd: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    told = lines(meshd("models", "recommend", bundle, "--deadline", "0.001"))
    assert [line for line in told if line.startswith(("watch", "!"))] == [
        "watch watch watch none — — — —",
        "! watch: of the watch tier nothing fits; int8 takes 1.15 ms, and the deadline is 1.00 ms.",
    ]


def test_the_nodes_of_the_mesh_are_weighed_by_name_with_what_they_measured(meshd: Command, mesh: FakeDaemon) -> None:
    ended = meshd("models", "recommend", "ecg-anomaly")
    assert (ended.code, ended.err) == (0, "")
    assert [line for line in lines(ended) if line.startswith(("wrist", "kitchen"))] == [
        "wrist watch watch int8 1.15 ms 0.46 ms to 2.87 ms ~287 µJ —",
        "kitchen hub hub fp32 0.25 ms measured ~381 µJ —",
    ]


def test_one_device_is_told_all_reasons_and_sources(meshd: Command, mesh: FakeDaemon) -> None:
    ended = meshd("models", "recommend", "ecg-anomaly", "--device", "kitchen", "--deadline", "0.00001")
    assert lines(ended)[:3] == [
        "kitchen ecg-anomaly · tier hub · nothing",
        "No variant fits kitchen.",
        "fp32 takes 0.25 ms, and the deadline is 10.0 µs.",
    ]
    assert lines(ended)[-1] == "fp32: measured by kitchen, which hosts it."


def test_json_holds_the_whole_advice(meshd: Command, bundle: Path) -> None:
    ended = meshd("models", "recommend", bundle, "--device", "hub", "--json")
    (told,) = json.loads(ended.out)
    assert (told["tier"], told["advice"]["variant"], told["advice"]["device"]["memory_bytes"]) == ("hub", "fp32", 2**29)


def test_a_single_file_is_told_to_be_imported_first(meshd: Command, tmp_path: Path) -> None:
    model = tmp_path / "stranger.onnx"
    model.write_bytes(b"")
    ended = meshd("models", "recommend", model)
    assert (ended.code, ended.out) == (1, "")
    assert f"`meshd models import {model}` makes variants of it" in ended.err


def test_an_unknown_device_is_answered_with_those_that_are_there(meshd: Command, mesh: FakeDaemon) -> None:
    ended = meshd("models", "recommend", "ecg-anomaly", "--device", "cellar")
    assert ended.code == 2
    assert "watch, phone, hub, upstream, wrist, kitchen" in " ".join(ended.err.replace("│", " ").split())


def test_a_node_cannot_be_weighed_without_a_daemon(meshd: Command, bundle: Path) -> None:
    assert meshd("models", "recommend", bundle, "--device", "kitchen").code == 3


def test_a_plain_name_is_the_daemons_model_and_the_folder_only_where_it_has_none(
    meshd: Command, mesh: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bundle(tmp_path / "ecg-anomaly", VALID.replace('"1.0.0"', '"2.0.0"'))
    ended = meshd("models", "recommend", "ecg-anomaly")
    assert (lines(ended)[0].split()[1], "For the folder, name ./ecg-anomaly" in ended.err) == ("1.0.0", True)
    del mesh.documents["manifest"]
    assert lines(meshd("models", "recommend", "ecg-anomaly"))[0].split()[1] == "2.0.0"
