"""Two devices are paired by hand: each prints its fingerprint, each is told the other's."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "meshd.toml"
    path.write_text(f'[node]\nname = "wrist"\nstate_dir = "state"\n[trust]\npinned = ["{"cd" * 32}"]\n')
    return path


def test_a_node_that_never_ran_gets_its_identity_and_keeps_it(meshd: Command, config: Path) -> None:
    first = meshd("id", "--config", config)
    assert (first.code, len(first.out.strip())) == (0, 64)
    assert meshd("id", "--config", config).out == first.out


def test_id_names_the_certificate(meshd: Command, config: Path, tmp_path: Path) -> None:
    document = json.loads(meshd("id", "--config", config, "--json").out)
    assert document["certificate"] == str(tmp_path / "state" / "identity.crt")
    assert meshd("id", "--config", config).out.strip() == document["node_id"]


def test_a_device_is_trusted_by_fingerprint_listed_and_removed(meshd: Command, config: Path) -> None:
    other = "ef" * 32
    assert (
        meshd("trust", "add", other.upper(), "--name", "kitchen", "--class", "hub", "--config", config).out
        == f"{other}\n"
    )
    listed = json.loads(meshd("trust", "list", "--config", config, "--json").out)
    assert {"node_id": other, "name": "kitchen", "device_class": "hub"} in listed
    assert meshd("trust", "remove", "kitchen", "--config", config).out == f"{other}\n"
    listed = json.loads(meshd("trust", "list", "--config", config, "--json").out)
    assert [pin["node_id"] for pin in listed] == ["cd" * 32]


def test_a_device_is_trusted_by_a_copy_of_its_certificate(meshd: Command, config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[node]\nname = "kitchen"\nstate_dir = "elsewhere"\n')
    fingerprint = meshd("id", "--config", other).out
    assert meshd("trust", "add", tmp_path / "elsewhere" / "identity.crt", "--config", config).out == fingerprint


def test_what_the_configuration_trusts_is_removed_there(meshd: Command, config: Path) -> None:
    ended = meshd("trust", "remove", "cdcd", "--config", config)
    assert (ended.code, ended.out) == (1, "")
    assert "Remove it there" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "abc"), "no fingerprint"),
        (("add", "meshd.toml"), "is no certificate"),
        (("remove", "nobody"), "no trusted device is called 'nobody'"),
    ],
)
def test_what_is_no_device_is_refused(
    words: tuple[str, str], told: str, meshd: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    ended = meshd("trust", *words, "--config", config)
    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err


def test_a_device_does_not_trust_itself(meshd: Command, config: Path) -> None:
    own = meshd("id", "--config", config).out.strip()
    ended = meshd("trust", "add", own, "--config", config)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "meshd: that is this device's own fingerprint.",
        "Give the other device's: run `meshd id` there.",
    ]
