"""`meshd models import`: what it prints, where, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry import manifest as manifests
from model_registry.extra import installing
from tests.cli.conftest import Command
from tests.registry.convert.models import built, classifier, saved

TINY = ("--variants", "pruned")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(classifier(batch="n"), tmp_path / "net.onnx")


def test_an_import_writes_a_bundle_and_says_what_to_do_next(meshd: Command, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    ended = meshd("models", "import", model, "--out", out, "--name", "sorter", "--axis", "batch=1..8", *TINY)
    assert ended.code == 0
    assert "fp32" in ended.out
    assert f"meshd models add {out}" in ended.err
    manifest = manifests.load(out / "manifest.toml")
    assert (manifest.name, manifest.axes["batch"].max, manifest.unsigned) == ("sorter", 8, True)
    assert meshd("models", "check", out).code == 0


def test_json_is_the_sweep_with_the_advice_and_nothing_else_is_on_stdout(
    meshd: Command, model: Path, tmp_path: Path
) -> None:
    ended = meshd("models", "import", model, "--out", tmp_path / "bundle", "--json", *TINY)
    sweep = json.loads(ended.out)
    assert [made["variant"]["name"] for made in sweep["made"]] == ["fp32"]
    assert [left["name"] for left in sweep["not_made"]] == ["pruned"]
    assert (sweep["reference"], sweep["origin"]) == ("fp32", "net.onnx")
    assert {each["device"]["name"]: each["variant"] for each in sweep["advice"]} == {
        "watch": "fp32",
        "phone": "fp32",
        "hub": "fp32",
        "upstream": "fp32",
    }


def test_the_first_import_on_a_machine_says_nothing_of_fonts(model: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-c", "from meshd.cli import main; main()", "models", "import", model)
    ended = subprocess.run(
        (*command, "--out", tmp_path / "bundle", *TINY),
        env=os.environ | {"MPLCONFIGDIR": str(tmp_path / "no-fonts-yet")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition(" in ")[0] for line in ended.stderr.splitlines()] == [f"Wrote {tmp_path / 'bundle'}"]


def test_a_signed_import_is_signed_by_the_user(meshd: Command, model: Path, tmp_path: Path) -> None:
    key = meshd("models", "publisher").out.strip()
    assert meshd("models", "import", model, "--out", tmp_path / "bundle", "--sign", *TINY).code == 0
    signature = manifests.load(tmp_path / "bundle" / "manifest.toml").signature
    assert signature
    assert signature.publisher == key


def test_what_cannot_be_read_ends_with_the_reason_and_no_traceback(meshd: Command, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"GGUF\x03\x00\x00\x00")
    ended = meshd("models", "import", tmp_path / "m.onnx", "--out", tmp_path / "bundle")
    assert (ended.code, ended.out) == (1, "")
    first, second = ended.err.splitlines()
    assert first == "meshd: m.onnx cannot be imported: by its content it is GGUF, a language model of llama.cpp."
    assert second.startswith("Export the original model")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != "") == ["m.onnx"]


def test_an_unbounded_axis_is_named_with_the_option_that_bounds_it(meshd: Command, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    open_ended = built(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        inputs={"x": (onnx.TensorProto.FLOAT, ["n", "time"])},
        outputs={"y": (onnx.TensorProto.FLOAT, ["n", "time"])},
    )
    ended = meshd("models", "import", saved(open_ended, tmp_path / "m.onnx"), "--out", tmp_path / "bundle")
    assert ended.code == 1
    assert "'time' of input 'x'" in ended.err
    assert "--axis time=1..128" in ended.err


@pytest.mark.parametrize(
    "words", [("--sign", "--unsigned"), ("--labels", "y.csv"), ("--privacy", "everybody"), ("--nonsense",)]
)
def test_options_that_make_no_sense_are_usage_errors(meshd: Command, model: Path, words: tuple[str, ...]) -> None:
    assert meshd("models", "import", model, *words).code == 2


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("--name", "bad name"), "lower-case letters and digits, parted by single dots, underscores or hyphens"),
        (("--name", "a" * 65), "expected `str` of length <= 64"),
        (("--task", "two\nlines"), "expected one line of text"),
        (("--license", "free"), "The licence 'free' is no SPDX expression."),
        (("--license", ""), "LicenseRef-NAME stands for one's own"),
    ],
)
def test_what_no_manifest_could_hold_is_a_usage_error_that_says_what_is_allowed(
    meshd: Command, tmp_path: Path, words: tuple[str, ...], allowed: str
) -> None:
    ended = meshd("models", "import", tmp_path / "never-read.onnx", *words)
    assert (ended.code, ended.out) == (2, "")
    assert allowed in " ".join(ended.err.replace("│", " ").split())


def test_labels_that_are_not_there_are_named(meshd: Command, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", features=np.zeros((50, 16), np.float32))
    ended = meshd(
        "models", "import", model, "--calibration", tmp_path / "data.npz", "--labels", "y.csv", "--out", tmp_path / "b"
    )
    assert ended.code == 1
    assert "--labels y.csv is neither a file nor an array of the calibration data." in ended.err


def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    meshd: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxslim", None)  # What Python does for a module that is not there.
    ended = meshd("models", "import", model)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "meshd: Importing a model needs 'onnxslim', which is not installed.",
        f"Run: {installing('convert')}",
    ]
