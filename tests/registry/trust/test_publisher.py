"""The file of trusted publishers: people edit it, and a daemon reads it at every question."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from model_registry.errors import KeyUnusable, NotAccepted, PublishersUnreadable
from model_registry.manifest import Manifest, loads
from model_registry.trust.publisher import Publisher, Publishers
from model_registry.trust.signature import signed, verify
from model_registry.trust.signing_key import SigningKey
from tests.registry.manifests import VALID

CLINIC, LAB = "c1" * 32, "1a" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "publishers.toml"


@pytest.fixture
def publishers(path: Path) -> Publishers:
    return Publishers(path, verify=verify)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.create(tmp_path / "key.pem")


@pytest.fixture
def manifest(key: SigningKey) -> Manifest:
    return signed(loads(VALID), key)


def test_who_is_trusted_stays_so_and_can_be_renamed_and_let_go(path: Path, publishers: Publishers) -> None:
    publishers.trust(CLINIC, name="clinic")
    publishers.trust(LAB)
    publishers.trust(CLINIC, name="the clinic")
    assert Publishers(path).trusted() == {
        CLINIC: Publisher(key=CLINIC, name="the clinic"),
        LAB: Publisher(key=LAB),
    }
    assert publishers.untrust(LAB)
    assert not publishers.untrust(LAB)
    assert set(Publishers(path).trusted()) == {CLINIC}


def test_the_file_is_its_owners_alone(path: Path, publishers: Publishers) -> None:
    publishers.trust(CLINIC)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_another_process_writes_counts_at_once(path: Path, publishers: Publishers) -> None:
    assert publishers.trusted() == {}
    Publishers(path).trust(CLINIC)
    assert set(publishers.trusted()) == {CLINIC}


def test_those_of_the_configuration_are_trusted_and_stay(path: Path) -> None:
    publishers = Publishers(path, [LAB])
    publishers.trust(LAB, name="lab")
    assert publishers.trusted() == {LAB: Publisher(key=LAB, name="lab")}
    assert publishers.untrust(LAB)
    assert publishers.trusted() == {LAB: Publisher(key=LAB)}


@pytest.mark.parametrize("key", ["", "12ab", "g" * 64, "AB" * 32, f"{CLINIC}\n", f"{CLINIC}00"])
def test_what_is_no_key_is_not_trusted(publishers: Publishers, key: str) -> None:
    with pytest.raises(KeyUnusable, match="no publisher's key"):
        publishers.trust(key)


def test_a_key_under_which_anybody_can_sign_is_not_trusted(publishers: Publishers) -> None:
    with pytest.raises(KeyUnusable, match="anybody can sign"):
        publishers.trust("01" + "00" * 31)
    assert publishers.trusted() == {}


@pytest.mark.parametrize(
    "content",
    [
        b"[[publisher]\n",
        b"\xff\xfe",
        b'[[publisher]]\nkey = "12"\n',
        b'[[publisher]]\nname = "clinic"\n',
        b"publisher = " + b"[" * 2_000,
        b'[[publishers]]\nkey = "' + CLINIC.encode() + b'"\n',
    ],
)
def test_a_damaged_file_trusts_nobody_and_is_not_overwritten(
    path: Path, publishers: Publishers, manifest: Manifest, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for question in (publishers.trusted, lambda: publishers.accept(manifest), lambda: publishers.trust(CLINIC)):
        with pytest.raises(PublishersUnreadable, match="cannot be read"):
            question()
    assert path.read_bytes() == content
    assert manifest.signature
    assert publishers.signer(manifest) == manifest.signature.publisher[:16]


def test_a_signed_manifest_is_accepted_from_whom_one_trusts(
    publishers: Publishers, key: SigningKey, manifest: Manifest
) -> None:
    with pytest.raises(NotAccepted, match="who is not trusted here"):
        publishers.accept(manifest)
    publishers.trust(key.publisher, name="clinic")
    publishers.accept(manifest)
    publishers.accept_from_peer(manifest)
    assert publishers.signer(manifest) == "clinic"


def test_the_signature_counts_before_the_publisher(publishers: Publishers, manifest: Manifest) -> None:
    with pytest.raises(NotAccepted, match="is not good"):
        publishers.accept(replace(manifest, version="2.0.0"))


def test_an_unsigned_one_is_accepted_from_the_user_and_never_from_a_peer(publishers: Publishers) -> None:
    unsigned = loads(VALID)
    publishers.accept(unsigned)
    assert publishers.signer(unsigned) == "unsigned"
    with pytest.raises(NotAccepted, match="which a peer offers"):
        publishers.accept_from_peer(unsigned)
    with pytest.raises(NotAccepted, match="does not say so"):
        publishers.accept(replace(unsigned, unsigned=False))
