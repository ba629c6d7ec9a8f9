"""The models that ship with this package."""

from pathlib import Path

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST


def bundled_models() -> dict[str, Path]:
    """Return the models that ship with this package: the folder of each by the model's name."""
    return {
        manifests.loads(found.read_text(encoding="utf-8"), str(found)).name: folder
        for folder in Path(__file__).parents[1].joinpath("zoo").iterdir()
        if folder.is_dir() and (found := folder.joinpath(MANIFEST)).is_file()
    }
