"""Whoever lacks a library is told what installs it, and never to fetch a stranger's package of our name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from model_registry.extra import ExtraMissing, Origin, installing, needing

_WITHOUT_EXTRAS = """
import runpy, sys
sys.modules |= dict.fromkeys(["torch", "onnx", "matplotlib", "neurokit2"])  # What Python does for missing modules.
sys.argv = [sys.argv[1], "--help"]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def test_an_extra_is_added_to_the_source_that_meshd_came_from(tmp_path: Path) -> None:
    folder = tmp_path / "my meshd"
    folder.mkdir()
    copied = {"url": folder.as_uri(), "dir_info": {}}
    edited = {"url": folder.as_uri(), "dir_info": {"editable": True}}
    assert msgspec.convert(copied, Origin).installing("codecs") == f"pip install '{folder}[codecs]'"
    assert msgspec.convert(edited, Origin).installing("codecs") == f"pip install -e '{folder}[codecs]'"


@pytest.mark.parametrize("url", ["", "file:///a/folder/that/is/gone", "https://example.org/meshd.whl"])
def test_where_the_source_is_not_at_hand_it_is_said_where_to_install_from(url: str) -> None:
    assert Origin(url=url).installing("convert") == "pip install '.[convert]' in the folder of meshd's source"


def test_the_bare_name_is_in_no_command_of_ours() -> None:
    root = Path(__file__).parents[2]
    written = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("deploy/**/*")]
    for code in ("meshd", "model_registry", "policies"):
        written += root.glob(f"{code}/**/*.py")
    wrong = [file.name for file in written if file.is_file() and "install 'meshd[" in file.read_text()]
    assert wrong == []
    assert "'meshd" not in installing("convert")


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(ExtraMissing) as refused, needing("convert", "Counting"):
        import a_library_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    assert refused.value.message == "Counting needs 'a_library_that_nobody_has', which is not installed."
    assert refused.value.hint == f"Run: {installing('convert')}"


@pytest.mark.parametrize(
    "program",
    [
        "zoo.ecg.crossvalidate",
        "zoo.ecg.train",
        "zoo.ecg.distil",
        "zoo.ecg.costs",
        "zoo.ecg.make_demo_stream",
        "distill",
    ],
)
def test_a_program_whose_extra_is_missing_ends_in_two_sentences(program: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT_EXTRAS, f"model_registry.{program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    what, hint = ran.stderr.splitlines()
    assert what.endswith("which is not installed.")
    assert (ran.returncode, hint.partition("pip install")[0]) == (1, "Run: ")
