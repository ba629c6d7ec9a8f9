"""A model as a reader leaves it: one self-contained file that meshd's runtimes can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_registry.tier import Format


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
