"""The model that is timed is the one that the script beside this file makes."""

from meshd.bench.tiny import FOLDER, TinyModel
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from tests.bench.tiny_model import FILE, SCORES, tiny_manifest, tiny_model


def test_the_shipped_bundle_is_what_its_script_makes() -> None:
    assert (FOLDER / FILE).read_bytes() == tiny_model()
    assert manifests.load(FOLDER / MANIFEST) == tiny_manifest(tiny_model())


def test_it_runs_bare() -> None:
    (scores,) = TinyModel().run()
    assert scores.shape == (1, SCORES)
