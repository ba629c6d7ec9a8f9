"""A publisher checks and signs a bundle; a user decides whose models to accept."""

import json
from pathlib import Path

import pytest

from model_registry.manifest import load
from model_registry.trust.signature import verify
from tests.cli.conftest import Command
from tests.registry.manifests import VALID, WATCH_MODEL, sha256, write_bundle

pytest.importorskip("tomlkit", reason="needs the convert extra")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def key(meshd: Command) -> str:
    """The public key of this user, who has just become a publisher."""
    return meshd("models", "publisher").out.strip()


def test_a_publisher_is_made_once_and_its_key_is_the_owners_alone(meshd: Command, tmp_path: Path) -> None:
    first = meshd("models", "publisher", "--json")
    again = meshd("models", "publisher", "--json")
    made, shown = json.loads(first.out), json.loads(again.out)
    assert made == {"publisher": shown["publisher"], "file": shown["file"], "created": True}
    assert shown["created"] is False
    assert Path(made["file"]).is_relative_to(tmp_path)
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600


def test_a_signed_bundle_verifies_names_its_pieces_and_keeps_its_comments(
    meshd: Command, bundle: Path, key: str
) -> None:
    ended = meshd("models", "sign", bundle)
    assert (ended.code, ended.out) == (0, f"ecg-anomaly 1.0.0: signed by {key}\n")
    assert f"meshd models trust {key} --name NAME" in ended.err
    manifest = load(bundle / "manifest.toml")
    verify(manifest)
    assert not manifest.unsigned
    assert all(variant.pieces for _, variant in manifest.variants())
    assert "# The watch only screens.\n[[tiers]]" in (bundle / "manifest.toml").read_text()


def test_signing_changes_no_line_but_its_own(meshd: Command, bundle: Path, key: str) -> None:
    meshd("models", "sign", bundle)
    written = (bundle / "manifest.toml").read_text().splitlines()
    own = [line for line in written if line.startswith(("pieces", "publisher", "value")) or line == "[signature]"]
    assert len(own) == 5
    kept = [line for line in written if line not in own]
    assert [line for line in kept if line] == [
        line for line in VALID.splitlines() if line and line != "unsigned = true"
    ]


def test_signing_leaves_a_manifest_readable_to_whom_it_was(meshd: Command, bundle: Path, key: str) -> None:
    (bundle / "manifest.toml").chmod(0o664)
    meshd("models", "sign", bundle)
    assert (bundle / "manifest.toml").stat().st_mode & 0o777 == 0o664


def test_to_say_that_nobody_vouches_takes_the_signature_out(meshd: Command, bundle: Path, key: str) -> None:
    meshd("models", "sign", bundle)
    assert meshd("models", "sign", "--unsigned", bundle).out == "ecg-anomaly 1.0.0: unsigned\n"
    manifest = load(bundle / "manifest.toml")
    assert (manifest.unsigned, manifest.signature) == (True, None)


def test_what_does_not_hash_to_its_name_is_not_signed(meshd: Command, bundle: Path, key: str) -> None:
    (bundle / "artifacts" / "hub.onnx").write_bytes(b"something else")
    before = (bundle / "manifest.toml").read_text()
    ended = meshd("models", "sign", bundle)
    assert ended.code == 1
    assert "'artifacts/hub.onnx' has 14 bytes, not 32." in ended.err
    assert (bundle / "manifest.toml").read_text() == before


def test_without_a_key_nothing_is_signed_and_the_hint_says_how_to_get_one(meshd: Command, bundle: Path) -> None:
    ended = meshd("models", "sign", bundle)
    assert ended.code == 1
    assert "`meshd models publisher` makes one." in ended.err


def test_a_key_that_others_may_read_signs_nothing(meshd: Command, bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    meshd("models", "publisher", "--key", file)
    file.chmod(0o640)
    ended = meshd("models", "sign", bundle, "--key", file)
    assert ended.code == 1
    assert f"chmod 600 {file}" in ended.err


def test_a_sound_bundle_is_fine(meshd: Command, bundle: Path, key: str) -> None:
    meshd("models", "sign", bundle)
    ended = meshd("models", "check", bundle)
    fine = f"{bundle / 'manifest.toml'} is fine: ecg-anomaly 1.0.0, signed by {key}.\n"
    assert (ended.code, ended.out) == (0, fine)


def test_all_mistakes_are_told_with_line_and_suggestion(meshd: Command, bundle: Path) -> None:
    file = bundle / "manifest.toml"
    file.write_text(VALID.replace("privacy =", "privcy =").replace("macs = 1500000", 'macs = "many"'))
    ended = meshd("models", "check", file)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"{file}:7: unknown key 'privcy'.",
        "    Did you mean 'privacy'?",
        f"{file}:42: tiers[0].variants[0].macs: expected `int`, got `str`.",
        f"{file}: key 'privacy' is missing.",
    ]


def test_every_kind_of_damage_in_a_bundle_is_found_on_its_line(meshd: Command, bundle: Path, key: str) -> None:
    meshd("models", "sign", bundle)
    file = bundle / "manifest.toml"
    text = file.read_text().replace("auroc = 0.96", "auroc = 0.99")
    root = next(line for line in text.splitlines() if line.startswith("pieces"))
    file.write_text(text.replace(root, f'pieces = "{"0" * 64}"', 1))
    (bundle / "artifacts" / "hub.onnx").unlink()
    found = json.loads(meshd("models", "check", "--json", bundle).out)[0]
    assert (found["valid"], found["publisher"]) == (False, key)
    lines = [finding["sentence"].removeprefix(f"{file}:") for finding in found["findings"] if finding["fatal"]]
    assert [line.partition(":")[2].split(" is ")[0].split(" has no file")[0] for line in lines] == [
        " The root of the pieces of 'artifacts/watch.onnx'",
        f" The bundle {bundle}",
        " The signature of model 'ecg-anomaly'",
    ]
    assert [int(line.partition(":")[0]) for line in lines] == [
        1 + file.read_text().splitlines().index(written)
        for written in (f'pieces = "{"0" * 64}"', 'file = "artifacts/hub.onnx"', "[signature]")
    ]


def test_what_was_calibrated_for_another_file_or_has_no_real_licence_is_doubtful(meshd: Command, bundle: Path) -> None:
    other = sha256(b"another")
    bound = VALID.index("[tiers.escalation.bound]")
    text = VALID[:bound] + VALID[bound:].replace(sha256(WATCH_MODEL), other)
    (bundle / "manifest.toml").write_text(text.replace('"Apache-2.0"', '"Apache 2"'))
    ended = meshd("models", "check", bundle)
    assert ended.code == 0
    warnings = [line for line in ended.out.splitlines() if line.startswith("warning")]
    file = bundle / "manifest.toml"
    shown = f"The escalation of tier 'watch' was shown to hold for artifact {other[:16]}, not for variant 'int8'."
    assert warnings == [
        f"warning: {file}:5: The licence 'Apache 2' is no SPDX expression.",
        f"warning: {file}:40: {shown}",
    ]


def test_a_manifest_that_neither_is_signed_nor_says_so_is_refused(meshd: Command, bundle: Path) -> None:
    (bundle / "manifest.toml").write_text(VALID.replace("unsigned = true\n", ""))
    ended = meshd("models", "check", bundle)
    assert ended.code == 1
    assert "meshd models sign --unsigned BUNDLE" in ended.out


def test_the_schema_is_printed_as_json(meshd: Command) -> None:
    schema = json.loads(meshd("models", "schema").out)
    assert schema["title"] == "meshd model manifest"


def test_publishers_are_trusted_by_key_listed_and_let_go_by_name(meshd: Command, key: str) -> None:
    assert "No publisher is trusted yet." in meshd("models", "publishers").out
    assert meshd("models", "trust", key.upper(), "--name", "clinic").out == f"{key}\n"
    assert json.loads(meshd("models", "publishers", "--json").out) == [{"publisher": key, "name": "clinic"}]
    assert meshd("models", "publishers").out == f"{key}  clinic\n"
    assert meshd("models", "untrust", "clinic").out == f"{key} is trusted no longer.\n"
    assert json.loads(meshd("models", "publishers", "--json").out) == []


def test_what_is_no_key_is_not_trusted(meshd: Command) -> None:
    ended = meshd("models", "trust", "12ab")
    assert ended.code == 1
    assert "64 digits" in ended.err


def test_a_publisher_of_the_configuration_stays_trusted(meshd: Command, key: str, tmp_path: Path) -> None:
    config = tmp_path / "meshd.toml"
    config.write_text(f'[models]\npublishers = ["{key}"]\n')
    ended = meshd("models", "untrust", key[:8], "--config", config)
    assert ended.code == 1
    assert "trusted by the configuration" in ended.err


def test_who_trusts_the_own_key_already_is_not_told_to(meshd: Command, bundle: Path, key: str) -> None:
    meshd("models", "trust", key)
    assert meshd("models", "sign", bundle).err.startswith("Another node accepts it after:")
