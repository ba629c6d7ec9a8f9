"""What a file tells about itself is what an import starts from; what the user says goes before."""

import dataclasses
import datetime as dt
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from model_registry.manifest import Lifecycle, Manifest, loads
from model_registry.tensor import Axis
from tests.executor.graphs import mean_model
from tests.registry.manifests import VALID

onnx: Any = pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.carried import completed, described  # noqa: E402
from model_registry.convert.drafting import UNKNOWN_LICENSE, Wishes, draft  # noqa: E402
from model_registry.convert.imported import Imported  # noqa: E402
from model_registry.convert.metadata import embed  # noqa: E402
from model_registry.convert.readers.reading import read  # noqa: E402
from model_registry.convert.readers.reading_options import ReadingOptions  # noqa: E402

ARTIFACT = mean_model(dtype="float32")
TODAY = dt.date(2026, 11, 22)


def manifest() -> Manifest:
    """A manifest of which one variant is a file that can be read, on the device only, under MIT."""
    valid = loads(VALID)
    watch, hub = valid.tiers
    digest = sha256(ARTIFACT).hexdigest()
    variant = replace(watch.variants[0], artifact=digest, size_bytes=len(ARTIFACT))
    tiers = (replace(watch, variants=(variant,)), hub)
    return replace(valid, tiers=tiers, privacy="device", license="MIT")


def read_from(folder: Path, content: bytes) -> Imported:
    (folder / "given.onnx").write_bytes(content)
    (folder / "scratch").mkdir()
    return read(folder / "given.onnx", folder / "scratch", ReadingOptions())


def test_an_exported_file_gives_its_artifact_back_and_what_its_manifest_says(tmp_path: Path) -> None:
    imported = read_from(tmp_path, embed(ARTIFACT, manifest()))
    assert imported.path.read_bytes() == ARTIFACT
    assert imported.manifest == manifest()
    assert completed(Wishes(), imported) == Wishes(
        name="ecg-anomaly",
        summary="Says whether ten seconds of one lead hold an ectopic beat",
        task="anomaly-detection",
        license="MIT",
        privacy="device",
        known_axes=manifest().axes,
    )


def test_a_file_that_was_written_anew_still_says_it_and_hands_no_manifest_on(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(embed(ARTIFACT, manifest()))
    model.producer_name = "another tool"
    imported = read_from(tmp_path, model.SerializeToString())
    assert imported.manifest == manifest()
    written = onnx.load_model_from_string(imported.path.read_bytes())
    assert (written.producer_name, list(written.metadata_props)) == ("another tool", [])


def test_what_the_user_says_goes_before(tmp_path: Path) -> None:
    said = Wishes(
        name="mine",
        summary="Mine",
        task="regression",
        license="Apache-2.0",
        privacy="public",
        axes={"batch": Axis(min=1, max=2)},
    )
    imported = read_from(tmp_path, embed(ARTIFACT, manifest()))
    assert completed(said, imported) == dataclasses.replace(said, known_axes=manifest().axes)
    assert draft(imported, completed(said, imported), today=TODAY).axes == {"batch": Axis(min=1, max=2)}


def test_bounds_of_axes_that_the_file_has_are_taken_and_others_left(tmp_path: Path) -> None:
    more = replace(manifest(), axes={"batch": Axis(min=2, max=7), "length": Axis(max=9)})
    imported = read_from(tmp_path, embed(ARTIFACT, more))
    assert draft(imported, completed(Wishes(), imported), today=TODAY).axes == {"batch": Axis(min=2, max=7)}


def test_units_descriptions_and_history_live_on_in_the_draft(tmp_path: Path) -> None:
    imported = read_from(tmp_path, embed(ARTIFACT, manifest()))
    drafted = described(draft(imported, completed(Wishes(), imported), today=TODAY), imported.manifest)
    assert [(t.name, t.unit, t.description) for t in drafted.inputs] == [
        ("ecg", "mV", "Ten seconds of lead MLII at 360 Hz")
    ]
    before = manifest().lifecycle
    assert before
    assert drafted.lifecycle == Lifecycle(
        trained=before.trained,
        dataset=before.dataset,
        dataset_sha256=before.dataset_sha256,
        compression=before.compression,
        imported=TODAY,
        origin="given.onnx",
        origin_sha256=imported.origin_sha256,
    )


@pytest.mark.parametrize(("written", "taken"), [("MIT", "MIT"), ("do what you want", UNKNOWN_LICENSE)])
def test_a_strangers_file_gives_its_summary_and_a_licence_that_is_one(tmp_path: Path, written: str, taken: str) -> None:
    model = onnx.load_model_from_string(ARTIFACT)
    model.doc_string = "Finds\n\x1b[2Jbeats " + "x" * 2000
    model.metadata_props.add(key="license", value=written)
    wishes = completed(Wishes(), read_from(tmp_path, model.SerializeToString()))
    assert (wishes.license, wishes.name) == (taken, "")
    assert wishes.summary.startswith("Finds [2Jbeats xxx")
    assert len(wishes.summary) == 1000
