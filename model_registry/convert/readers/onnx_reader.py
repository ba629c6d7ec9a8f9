"""Reads ONNX: checks it, and takes the weights that it keeps in other files of its folder into the one file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from model_registry.bundle import path_flaw
from model_registry.convert.digest import digest
from model_registry.convert.errors import ModelRefused, first_line
from model_registry.convert.graph_walk import tensors
from model_registry.convert.imported import Imported
from model_registry.convert.limits import LIMITS
from model_registry.convert.readers.reading_options import ReadingOptions
from model_registry.convert.source_kind import SourceKind
from model_registry.extra import needing

_AGAIN = "Export the model again, with all files in one folder."


def read_onnx(source: Path, kind: SourceKind, scratch: Path, options: ReadingOptions) -> Imported:
    """Read an .onnx file and what it keeps beside itself.

    Raises:
        ModelRefused: damaged, not valid ONNX, or with external data that is missing, too large or outside its folder.
        ManifestError: it carries something that is no valid manifest.

    """
    del kind, options
    from model_registry.convert.metadata import artifact_in, manifest_of, told_by, without_manifest  # noqa: PLC0415

    model = embedded(source)
    check(model, source.name)
    target = scratch / "origin.onnx"
    target.write_bytes(artifact_in(source.read_bytes()) or without_manifest(model).SerializeToString())
    return Imported(
        path=target,
        format="onnx",
        origin=source.name,
        origin_bytes=source.stat().st_size,
        origin_sha256=digest(source),
        manifest=manifest_of(model),
        told=told_by(model),
    )


def embedded(source: Path) -> Any:
    """Return an ONNX model with every weight inside.

    Raises:
        ModelRefused: it cannot be parsed, or its external data may not or cannot be read.

    """
    with needing("convert", "Importing ONNX"):
        import onnx  # noqa: PLC0415 - an extra.
        from onnx.external_data_helper import load_external_data_for_model  # noqa: PLC0415

    try:
        model = onnx.load_model_from_string(source.read_bytes())
    except Exception as error:  # The parser's own class lies in protobuf's C part.
        raise ModelRefused(
            f"{source.name} begins like ONNX and cannot be parsed: {first_line(error)}.",
            hint="It is damaged or cut off; copy it again.",
        ) from error
    outside = [tensor for tensor in tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    _check_external(source, outside)
    if outside:
        load_external_data_for_model(model, str(source.parent))
    return model


def check(model: Any, name: str) -> None:
    """Hold a model against the ONNX standard.

    Raises:
        ModelRefused: it breaks a rule.

    """
    import onnx  # noqa: PLC0415 - an extra.

    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise ModelRefused(f"{name} is not valid ONNX: {first_line(error)}.", hint="Export the model again.") from error


def _check_external(source: Path, outside: list[Any]) -> None:
    """Refuse every way of reading a file that is not the model's own, before one is opened."""
    total_bytes = source.stat().st_size
    for tensor in outside:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = _external_path(source, tensor.name, entries.get("location", ""))
        total_bytes += _extent(path, tensor.name, entries)
    if total_bytes > LIMITS.size_bytes:
        raise ModelRefused(
            f"{source.name} has {total_bytes / 1e9:.1f} GB with its external data; "
            f"at most {LIMITS.size_bytes / 1e9:.1f} GB fit into one file.",
            hint="Import a smaller model.",
        )


def _external_path(source: Path, tensor: str, location: str) -> Path:
    if flaw := path_flaw(location):
        raise ModelRefused(f"{source.name} keeps '{tensor}' outside its folder. {flaw}", hint=_AGAIN)
    path = source.parent
    for part in PurePosixPath(location).parts:
        path /= part
        if path.is_symlink():
            raise ModelRefused(f"'{location}', where '{tensor}' lies, is reached by a symbolic link.", hint=_AGAIN)
    if not path.is_file():
        raise ModelRefused(f"{source.name} keeps '{tensor}' in '{location}', which is not there.", hint=_AGAIN)
    return path


def _extent(path: Path, tensor: str, entries: dict[str, str]) -> int:
    """Return how many bytes a tensor takes of its file, after checking that the file has them."""
    size_bytes = path.stat().st_size
    try:
        offset = int(entries.get("offset") or 0)
        length = int(entries.get("length") or size_bytes - offset)
    except ValueError as error:
        raise ModelRefused(f"Where '{tensor}' lies in {path.name} is no number.", hint=_AGAIN) from error
    if offset < 0 or length < 0 or offset + length > size_bytes:
        raise ModelRefused(
            f"'{tensor}' should be bytes {offset} to {offset + length} of {path.name}, which has {size_bytes}.",
            hint=_AGAIN,
        )
    return length
