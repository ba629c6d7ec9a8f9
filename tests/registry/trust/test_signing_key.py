"""A private key is its owner's alone, and nothing else is taken for one."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from model_registry.errors import KeyUnusable
from model_registry.trust.signing_key import SigningKey


def write(path: Path, content: bytes, *, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_key_is_the_same_after_a_way_through_its_file(tmp_path: Path) -> None:
    made = SigningKey.create(tmp_path / "keys" / "publisher.pem")
    loaded = SigningKey.load(tmp_path / "keys" / "publisher.pem")
    assert loaded.publisher == made.publisher
    assert loaded.sign(b"message") == made.sign(b"message")


def test_a_new_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "keys" / "publisher.pem")
    assert (tmp_path / "keys" / "publisher.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "publisher.pem"
    made = SigningKey.create(path)
    with pytest.raises(KeyUnusable, match="is there already"):
        SigningKey.create(path)
    assert SigningKey.load(path).publisher == made.publisher


def test_no_key_is_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.pem").symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(KeyUnusable):
        SigningKey.create(tmp_path / "link.pem")
    assert not (tmp_path / "elsewhere.pem").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_reach_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "publisher.pem", pem(Ed25519PrivateKey.generate(), NoEncryption()), mode=mode)
    with pytest.raises(KeyUnusable, match="others may read it") as caught:
        SigningKey.load(path)
    assert f"chmod 600 {path}" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (pem(ec.generate_private_key(ec.SECP256R1()), NoEncryption()), "holds a key of another kind"),
        (
            pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")),
            "holds no private key that can be used",
        ),
        (
            Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "holds no private key that can be used",
        ),
        (b"", "holds no private key that can be used"),
        (
            b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n",
            "holds no private key that can be used",
        ),
    ],
    ids=["another kind", "encrypted", "public", "empty", "damaged"],
)
def test_what_is_no_ed25519_key_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(KeyUnusable, match=problem):
        SigningKey.load(write(tmp_path / "publisher.pem", content))


def test_a_key_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be read") as caught:
        SigningKey.load(tmp_path / "publisher.pem")
    assert caught.value.hint == "`meshd models publisher` makes one."
