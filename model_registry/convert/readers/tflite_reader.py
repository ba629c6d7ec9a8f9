"""Takes a .tflite model as it is: LiteRT runs it, and no tool here can change it."""

from __future__ import annotations

import shutil
from pathlib import Path

from model_registry.convert.digest import digest
from model_registry.convert.imported import Imported
from model_registry.convert.readers.reading_options import ReadingOptions
from model_registry.convert.source_kind import SourceKind


def read_tflite(source: Path, kind: SourceKind, scratch: Path, options: ReadingOptions) -> Imported:
    """Copy a .tflite file; whether it loads is seen when it is first opened."""
    del kind, options
    target = scratch / "origin.tflite"
    shutil.copyfile(source, target)
    return Imported(
        path=target,
        format="tflite",
        origin=source.name,
        origin_bytes=source.stat().st_size,
        origin_sha256=digest(source),
    )
