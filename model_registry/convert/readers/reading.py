"""Which reader takes a file, and what to say of one that none takes."""

from __future__ import annotations

from pathlib import Path

from model_registry.convert import source_kind as kinds
from model_registry.convert.errors import ModelRefused
from model_registry.convert.imported import Imported
from model_registry.convert.limits import LIMITS
from model_registry.convert.readers.onnx_reader import read_onnx
from model_registry.convert.readers.reading_options import ReadingOptions
from model_registry.convert.readers.sklearn_reader import read_sklearn
from model_registry.convert.readers.tflite_reader import read_tflite
from model_registry.convert.readers.torch_reader import read_torch
from model_registry.convert.source_kind import SourceKind, source_kind

_READERS = {
    kinds.ONNX: read_onnx,
    kinds.TFLITE: read_tflite,
    kinds.TORCH_EXPORT: read_torch,
    kinds.TORCHSCRIPT: read_torch,
    kinds.SKOPS: read_sklearn,
    kinds.PICKLE: read_sklearn,
    kinds.JOBLIB: read_sklearn,
}


def read(source: Path, scratch: Path, options: ReadingOptions) -> Imported:
    """Read the model at `source` and write it as one self-contained file into `scratch`.

    Raises:
        ModelRefused: it is not there, too large, damaged, of a kind that cannot be read, or not to be trusted.
        ExtraMissing: a library that this kind needs is not installed.

    """
    kind = _kind(source)
    if kind not in _READERS:
        raise ModelRefused(
            f"{source.name} cannot be imported: by its content it is {kind.title}.",
            hint=f"{kind.conversion} {kinds.SUPPORTED}",
        )
    size_bytes = source.stat().st_size
    if size_bytes > LIMITS.size_bytes:
        raise ModelRefused(
            f"{source.name} has {size_bytes / 1e9:.1f} GB; at most {LIMITS.size_bytes / 1e9:.1f} GB can be imported.",
            hint="Import a smaller model.",
        )
    return _READERS[kind](source, kind, scratch, options)


def _kind(source: Path) -> SourceKind:
    try:
        return source_kind(source)
    except OSError as error:
        raise ModelRefused(f"{source} cannot be read: {error.strerror}.", hint="Check the path.") from error
