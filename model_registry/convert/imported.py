"""A model as a reader leaves it: one self-contained file that meshd's runtimes can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_registry.manifest import Manifest
from model_registry.tier import Format

if TYPE_CHECKING:
    from model_registry.convert.metadata import Told


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was read from `origin`; `path` lies in the import's scratch folder."""

    path: Path
    format: Format
    origin: str
    """The file's name, without its folders: they are nobody's business."""
    origin_bytes: int
    origin_sha256: str
    converted_by: str = ""
    """The tools that made `path` of it, with versions; nothing where the file itself is used."""
    classes: tuple[int | float | str, ...] = ()
    """What the columns of a classifier's output stand for, where the source knows."""
    manifest: Manifest | None = None
    """What an ONNX file carries that meshd exported; nobody has checked it."""
    told: Told | None = None
    """What an ONNX file says about itself in the usual places."""
