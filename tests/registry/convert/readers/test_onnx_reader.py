"""An ONNX model is read with its own files and with no other."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.errors import ModelRefused  # noqa: E402
from model_registry.convert.imported import Imported  # noqa: E402
from model_registry.convert.readers.reading import read  # noqa: E402
from model_registry.convert.readers.reading_options import ReadingOptions  # noqa: E402
from tests.registry.convert.models import built, classifier, saved, with_external_data  # noqa: E402

WEIGHT = np.arange(16, dtype=np.float32)


def reading(source: Path) -> Imported:
    scratch = source.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return read(source, scratch, ReadingOptions())


def test_a_weight_in_a_file_of_the_folder_ends_up_inside(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"skip" + WEIGHT.tobytes())
    imported = reading(with_external_data(tmp_path, "data/w.bin", offset="4", length="64"))
    (weight,) = onnx.load(imported.path, load_external_data=False).graph.initializer
    assert np.array_equal(onnx.numpy_helper.to_array(weight), WEIGHT)
    assert (imported.origin, imported.format) == ("model.onnx", "onnx")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("/etc/passwd", "is not a plain relative path"),
        ("../w.bin", "leaves the bundle"),
        ("data/../../w.bin", "leaves the bundle"),
        ("link.bin", "reached by a symbolic link"),
        ("linked/w.bin", "reached by a symbolic link"),
        ("gone.bin", "is not there"),
        ("", "is not in its plain form"),
    ],
)
def test_a_weight_outside_the_folder_is_refused(tmp_path: Path, location: str, reason: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    (home / "link.bin").symlink_to(tmp_path / "w.bin")
    (home / "linked").symlink_to(tmp_path)
    with pytest.raises(ModelRefused, match=reason):
        reading(with_external_data(home, location))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"offset": "32", "length": "64"}, "should be bytes 32 to 96 of w.bin, which has 64"),
        ({"offset": "-4"}, "should be bytes -4"),
        ({"length": "many"}, "is no number"),
    ],
)
def test_a_weight_that_its_file_does_not_hold_is_refused(tmp_path: Path, entries: dict[str, str], reason: str) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    with pytest.raises(ModelRefused, match=reason):
        reading(with_external_data(tmp_path, "w.bin", **entries))


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = classifier().SerializeToString()
    (tmp_path / "m.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelRefused, match=r"cannot be parsed.*damaged or cut off"):
        reading(tmp_path / "m.onnx")


def test_a_graph_that_breaks_the_standard_is_refused_with_the_reason(tmp_path: Path) -> None:
    broken = built(
        [onnx.helper.make_node("Relu", ["nowhere"], ["y"])],
        inputs={"x": (onnx.TensorProto.FLOAT, [1])},
        outputs={"y": (onnx.TensorProto.FLOAT, [1])},
    )
    with pytest.raises(ModelRefused, match=r"is not valid ONNX: .*nowhere"):
        reading(saved(broken, tmp_path / "m.onnx"))


def test_what_cannot_be_read_is_named_with_the_way_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"GGUF\x03\x00\x00\x00")
    with pytest.raises(ModelRefused) as refused:
        reading(tmp_path / "m.onnx")
    assert refused.value.message == (
        "m.onnx cannot be imported: by its content it is GGUF, a language model of llama.cpp."
    )
    assert refused.value.hint.startswith("Export the original model with optimum-cli to ONNX. Supported: ONNX")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot be read: No such file"):
        reading(tmp_path / "m.onnx")
