"""A file's kind is told by what is in it."""

import pickle
import zipfile
from pathlib import Path

import pytest

from model_registry.convert.source_kind import source_kind


def _zip(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"GGUF\x03\x00\x00\x00", "gguf"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (b"\x1c\x00\x00\x00TFL3", "tflite"),
        (b"\x93NUMPY\x01\x00", "numpy"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x78\x9c\x00\x00", "joblib"),
        (b'\x10\x00\x00\x00\x00\x00\x00\x00{"w": {}}', "safetensors"),
        (b'<?xml version="1.0"?><net name="m"></net>', "openvino"),
        (pickle.dumps({"weights": [1, 2]}), "pickle"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "torch-pickle"),
        (b"\x08\x08\x3a\x03abc", "onnx"),
        (b"\x08\x08\x3a\xff\xff\x03cut off", "onnx"),
        (b"\x08\x04\x12\x02ab\xa2\x1f\x01x", "coreml"),
        (b"plain words", "unknown"),
        (b"\xff" * 100, "unknown"),
    ],
)
def test_content_tells_whatever_the_name_says(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert source_kind(path).word == word


@pytest.mark.parametrize(
    ("members", "word"),
    [
        (("m/archive_format", "m/models/model.json"), "pt2"),
        (("m/constants.pkl", "m/data.pkl", "m/code/__torch__.py"), "torchscript"),
        (("m/data.pkl", "m/data/0"), "torch-pickle"),
        (("schema.json", "1.npy"), "skops"),
        (("config.json", "model.weights.h5", "metadata.json"), "keras"),
        (("a.npy", "b.npy"), "numpy"),
        (("readme.txt",), "zip"),
    ],
)
def test_an_archive_is_told_by_its_members(tmp_path: Path, members: tuple[str, ...], word: str) -> None:
    _zip(tmp_path / "m", *members)
    assert source_kind(tmp_path / "m").word == word


def test_a_damaged_archive_is_an_archive(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"PK\x03\x04 and no more")
    assert source_kind(tmp_path / "m").word == "zip"


@pytest.mark.parametrize(
    ("member", "word"), [("saved_model.pb", "saved-model"), ("inference.pdmodel", "paddle"), ("x", "folder")]
)
def test_a_folder_is_told_by_its_files(tmp_path: Path, member: str, word: str) -> None:
    (tmp_path / member).touch()
    assert source_kind(tmp_path).word == word
