"""Which kind of model a file holds, told by its content and never by its name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

SUPPORTED = (
    "Supported: ONNX (.onnx), LiteRT (.tflite), PyTorch exported programs (.pt2) and TorchScript, "
    "scikit-learn (.skops; .joblib and .pkl with --trust-pickle)."
)
_HEAD_BYTES = 4096
_ONNX_GRAPH, _LENGTH_DELIMITED = 7, 2  # Source: ModelProto in onnx.proto; wire types of protocol buffers.
_MOST_FIELDS = 256


class SourceKind(NamedTuple):
    """A kind of model file: a word for programs, one for people, and how to make it readable if it is not."""

    word: str
    title: str
    conversion: str = ""


ONNX = SourceKind("onnx", "ONNX")
TFLITE = SourceKind("tflite", "LiteRT (TensorFlow Lite)")
TORCH_EXPORT = SourceKind("pt2", "a PyTorch exported program")
TORCHSCRIPT = SourceKind("torchscript", "TorchScript")
SKOPS = SourceKind("skops", "scikit-learn (skops)")
PICKLE = SourceKind("pickle", "a pickle")
JOBLIB = SourceKind("joblib", "a compressed joblib pickle")
TORCH_PICKLE = SourceKind(
    "torch-pickle",
    "a PyTorch pickle (torch.save)",
    "It is weights or a pickled module, and loading it would run code from the file. Export the model where its "
    "class is: torch.export.save(torch.export.export(model, (example,)), 'model.pt2').",
)
KERAS = SourceKind(
    "keras", "Keras", "In the program that has it: model.export('model.onnx', format='onnx'); or use tf2onnx."
)
HDF5 = SourceKind("hdf5", "HDF5, as old Keras models are", KERAS.conversion)
SAVED_MODEL = SourceKind(
    "saved-model",
    "a TensorFlow SavedModel",
    "Run: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
)
COREML = SourceKind(
    "coreml", "Core ML", "Core ML cannot be turned back: export the original model (PyTorch, Keras) as ONNX."
)
GGUF = SourceKind("gguf", "GGUF, a language model of llama.cpp", "Export the original model with optimum-cli to ONNX.")
SAFETENSORS = SourceKind(
    "safetensors",
    "safetensors: weights without a network",
    "Load them into their network and export that: torch.onnx.export(model, (example,), 'model.onnx', dynamo=True).",
)
OPENVINO = SourceKind(
    "openvino", "OpenVINO", "OpenVINO cannot be turned back: import the ONNX file that it was converted from."
)
PADDLE = SourceKind("paddle", "PaddlePaddle", "Run: paddle2onnx --model_dir FOLDER --save_file model.onnx")
NUMPY = SourceKind("numpy", "NumPy arrays", "That is data, not a model; did you mean --calibration?")
ZIP = SourceKind("zip", "a zip archive", "Unpack it and import the model inside.")
GZIP = SourceKind("gzip", "a compressed file", "Unpack it and import the model inside.")
FOLDER = SourceKind("folder", "a folder", "Name the model's file.")
EMPTY = SourceKind("empty", "an empty file", "Copy it again.")
UNKNOWN = SourceKind("unknown", "none that meshd knows", "Export the model as ONNX with the tool that made it.")

_MAGIC = (
    (0, b"GGUF", GGUF),
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (4, b"TFL3", TFLITE),
    (0, b"\x93NUMPY", NUMPY),
    (0, b"\x1f\x8b", GZIP),
    (0, b"\x78\x9c", JOBLIB),
    (0, b"\x78\x5e", JOBLIB),
    (0, b"\x78\x01", JOBLIB),
    (0, b"\x78\xda", JOBLIB),
)


def source_kind(path: Path) -> SourceKind:
    """Return what the file or folder at `path` seems to be.

    Raises:
        OSError: it cannot be read.

    """
    if path.is_dir():
        return _kind_of_folder(path)
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        if not head:
            return EMPTY
        for offset, magic, kind in _MAGIC:
            if head[offset : offset + len(magic)] == magic:
                return kind
        if head.startswith(b"PK\x03\x04"):
            return _kind_of_zip(path)
        return _kind_of_text(head) or _kind_of_pickle(head) or _kind_of_protobuf(stream)


def _kind_of_folder(path: Path) -> SourceKind:
    if (path / "saved_model.pb").is_file():
        return SAVED_MODEL
    if (path / "Manifest.json").is_file() and (path / "Data").is_dir():
        return COREML
    return PADDLE if (path / "inference.pdmodel").is_file() else FOLDER


def _kind_of_zip(path: Path) -> SourceKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] if name.count("/") < 2 else name for name in archive.namelist()]
    except zipfile.BadZipFile:
        return ZIP
    whole = set(names)
    if "archive_format" in whole or any("models/model.json" in name for name in names):
        return TORCH_EXPORT
    if "constants.pkl" in whole and any("code/" in name for name in names):
        return TORCHSCRIPT
    if "serialized_exported_program.json" in whole:
        return TORCH_EXPORT
    if "data.pkl" in whole:
        return TORCH_PICKLE
    if "schema.json" in whole:
        return SKOPS
    if {"config.json", "model.weights.h5"} <= whole:
        return KERAS
    return NUMPY if names and all(name.endswith(".npy") for name in names) else ZIP


def _kind_of_text(head: bytes) -> SourceKind | None:
    if head.lstrip()[:5] in (b"<?xml", b"<net ") and b"<net" in head:
        return OPENVINO
    # A header of that many bytes follows, in JSON. Source: the format's README.
    return SAFETENSORS if head[8:10] in (b'{"', b"{ ") and int.from_bytes(head[:8], "little") < 10**8 else None


def _kind_of_pickle(head: bytes) -> SourceKind | None:
    is_pickle = len(head) > 2 and head[0] == 0x80 and head[1] in range(2, 6)
    if not is_pickle:
        return None
    # torch.save before 1.6 begins with this number, pickled.
    return TORCH_PICKLE if b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19" in head[:32] else PICKLE


def _kind_of_protobuf(stream: IO[bytes]) -> SourceKind:
    """Walk the outermost fields: an ONNX model is told by its graph, a Core ML one by its description and type."""
    stream.seek(0)
    fields = dict(_fields(stream))
    if fields.get(_ONNX_GRAPH) == _LENGTH_DELIMITED and fields.keys() <= set(range(1, 30)):
        return ONNX
    return COREML if 1 in fields and any(number in range(200, 4000) for number in fields) else UNKNOWN


def _fields(stream: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield number and wire type of each outermost field, as far as the bytes make sense."""
    for _ in range(_MOST_FIELDS):
        tag = _varint(stream)
        if tag is None:
            return
        number, wire_type = tag >> 3, tag & 7
        if wire_type not in (0, 1, _LENGTH_DELIMITED, 5) or number == 0:
            return
        yield number, wire_type
        length = _varint(stream) if wire_type in (0, _LENGTH_DELIMITED) else {1: 8, 5: 4}[wire_type]
        if length is None:
            return
        if wire_type:
            stream.seek(length, 1)


def _varint(stream: IO[bytes]) -> int | None:
    """Return the next number, or none where the file ends or holds no number."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
