"""The published vector: what another program must find, and that this one still does."""

from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace

from model_registry.canonical import message
from model_registry.manifest import load
from model_registry.signature import signed, verify
from model_registry.signing_key import SigningKey
from tests.registry.manifests import keys_at_their_default

FOLDER = Path(__file__).parent / "vectors"
MANIFEST = load(FOLDER / "manifest.toml")
MESSAGE = (FOLDER / "message").read_bytes()


def test_the_message_is_what_the_vector_says() -> None:
    assert message(MANIFEST) == MESSAGE


def test_the_signature_holds_by_the_library_alone() -> None:
    assert MANIFEST.signature
    publisher = Ed25519PublicKey.from_public_bytes(bytes.fromhex(MANIFEST.signature.publisher))
    publisher.verify(bytes.fromhex(MANIFEST.signature.value), MESSAGE)
    verify(MANIFEST)


def test_the_key_of_the_vector_signs_it_the_same_again() -> None:
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    assert signed(MANIFEST, key) == MANIFEST


def test_the_vector_has_every_key_of_the_form() -> None:
    """Else a key that was added to the form would be missing from what other programs test against."""
    unsaid = keys_at_their_default(replace(MANIFEST, unsigned=True))
    assert unsaid == set()


def test_the_message_reads_back_as_the_manifest() -> None:
    told = msgspec.json.decode(MESSAGE.partition(b"\n")[2])
    assert msgspec.convert(told, type(MANIFEST)) == replace(MANIFEST, signature=None)
