"""The published vector: what another program must find, and that this one still does."""

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace

from model_registry.manifest import dumps, load, loads
from model_registry.schema import manifest_schema
from model_registry.trust.canonical import message
from model_registry.trust.signature import signed, verify
from model_registry.trust.signing_key import SigningKey
from tests.registry.manifests import VALID, keys_at_their_default

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


# ------------------------------------------------- another vendor's program: it has docs/models.md and the schema alone

SCHEMA: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(manifest_schema()))


def other_message(text: str) -> bytes:
    tables = tomllib.loads(text)
    tables.pop("signature", None)
    return b"meshd manifest v1\n" + rfc8785.dumps(plain(tables, {"$ref": SCHEMA["$ref"]}))


def plain(value: Any, form: dict[str, Any]) -> Any:
    form = resolved(form, value)
    if isinstance(value, dict):
        keys = form.get("properties", {})
        said = {key: item for key, item in value.items() if not is_default(item, keys.get(key, {}))}
        return {key: plain(item, keys.get(key, form.get("additionalProperties", {}))) for key, item in said.items()}
    if isinstance(value, list):
        return [plain(item, form.get("items", {})) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def is_default(value: Any, form: dict[str, Any]) -> bool:
    return "default" in form and value == form["default"]


def resolved(form: Any, value: Any) -> dict[str, Any]:
    """Follow references, and of several forms take the one that is for tables or lists, where the value is one."""
    if not isinstance(form, dict):
        return {}
    if "$ref" in form:
        return resolved(SCHEMA["$defs"][form["$ref"].rpartition("/")[2]], value)
    choices = [resolved(choice, value) for choice in form.get("anyOf", ())]
    kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else None
    return next((choice for choice in choices if choice.get("type") == kind), form)


@pytest.mark.parametrize(
    "text",
    [(FOLDER / "manifest.toml").read_text(), VALID, dumps(loads(VALID))],
    ids=["vector", "with comments", "as written"],
)
def test_a_program_that_has_only_the_schema_finds_the_same_message(text: str) -> None:
    assert other_message(text) == message(loads(text))
