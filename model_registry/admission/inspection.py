"""What can be told of a model's bytes without loading them."""

from __future__ import annotations

from model_registry.admission import onnx_graph
from model_registry.admission.admitted import Limits
from model_registry.errors import Refused
from model_registry.tier import Format

_TFLITE, _ORT = b"TFL3", b"ORTM"
"""What a flatbuffer says in its bytes 4 to 7, which can stand in an ONNX file too; the runtimes go by them first."""
_FOREIGN = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive (PyTorch's .pt and Keras's .keras files are such)",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x89HDF": "an HDF5 file, as Keras wrote them",
    b"\x80\x02": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
}


def inspect(content: bytes, model_format: Format, limits: Limits) -> None:
    """Look at a model before any runtime does.

    Raises:
        Refused: it is too large, of another format, damaged, or asks for what it shall not have.
    """
    if len(content) > limits.size_bytes:
        raise Refused(
            "size",
            f"it has {len(content) / 1e6:,.1f} MB and the limit is {limits.size_bytes / 1e6:,.1f} MB.",
            hint="Host a smaller variant, or raise models.memory_budget_bytes.",
        )
    for magic, what in _FOREIGN.items():
        if content.startswith(magic):
            raise _foreign(what, model_format)
    if content[4:8] == _ORT:
        raise _foreign("a model in onnxruntime's own format", model_format)
    is_tflite = content[4:8] == _TFLITE
    if is_tflite != (model_format == "tflite"):
        raise _foreign("a .tflite model" if is_tflite else "no .tflite model", model_format)
    if model_format == "onnx":
        onnx_graph.check(content, memory_bytes=limits.memory_bytes)


def _foreign(what: str, model_format: Format) -> Refused:
    return Refused(
        "format",
        f"the file is {what}, and the manifest says {model_format}.",
        hint="Correct the manifest's format, or convert the model with `meshd models import`.",
    )
