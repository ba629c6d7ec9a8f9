"""`meshd config` finds and explains settings without starting anything."""

import json
from pathlib import Path

import pytest

from meshd import __version__
from tests.cli.conftest import Command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "meshd.toml"
    path.write_text('[node]\nname = "wrist"\ndevice_class = "watch"\n')
    return path


def test_show_gives_every_setting_with_its_origin(meshd: Command, file: Path) -> None:
    document = json.loads(meshd("config", "show", "--config", file, "--json").out)
    assert document["path"] == str(file)
    assert document["settings"][0] == {"key": "node.name", "value": "wrist", "origin": "meshd.toml:2"}


def test_show_is_readable(meshd: Command, file: Path) -> None:
    lines = [" ".join(line.split()) for line in meshd("config", "show", "--config", file).out.splitlines()]
    assert lines[:3] == [str(file), "[node]", 'name "wrist" meshd.toml:2']
    assert "telemetry_interval_s 60.0 class watch" in lines
    assert "url unset default" in lines


def test_check_accepts_a_good_file(meshd: Command, file: Path) -> None:
    assert meshd("config", "check", file) == (0, f"{file} is fine.\n", "")


def test_check_tells_all_mistakes_and_ends_with_code_1(meshd: Command, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[node]\nslots = 0\n[log]\nlevle = "info"\n')
    ended = meshd("config", "check", bad)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "meshd: the configuration has 2 mistakes:",
        f"  {bad}:2: [node] slots cannot be 0. It takes a whole number from 1 to 256.",
        f"  {bad}:4: [log] unknown key 'levle'. Did you mean 'level'?",
        "`meshd config schema` describes every key.",
    ]


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_schema_is_a_json_schema_of_every_section(flag: tuple[str, ...], meshd: Command) -> None:
    schema = json.loads(meshd("config", "schema", *flag).out)
    assert set(schema["$defs"]["Config"]["properties"]) >= {"node", "listen", "mqtt", "log"}


def test_run_refuses_a_bad_file_before_anything_starts(meshd: Command, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[nod]\n")
    ended = meshd("run", "--config", bad)
    assert (ended.code, ended.out) == (1, "")
    assert "Did you mean 'node'?" in ended.err


def test_the_version_is_told_without_loading_the_terminal_library(meshd: Command) -> None:
    assert meshd("--version") == (0, f"meshd {__version__}\n", "")
