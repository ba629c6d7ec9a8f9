"""The one sequence of bytes that a manifest's signature is over: docs/models.md, "Signatures"."""

import datetime as dt
from typing import Any

import msgspec
import rfc8785
from msgspec import NODEFAULT, Struct

from model_registry.errors import NotCanonical
from model_registry.manifest import Manifest

PREAMBLE = b"meshd manifest v1\n"
"""What the signature is for: a key that signs other things too cannot be made to sign a manifest by mistake."""


def message(manifest: Manifest) -> bytes:
    """Return what is signed: the preamble, then the manifest without its signature as canonical JSON (RFC 8785).

    Raises:
        NotCanonical: a number in it has no exact form in JSON; a manifest that was read from a file has none.

    """
    content = _plain(msgspec.structs.replace(manifest, signature=None))
    try:
        return PREAMBLE + rfc8785.dumps(content)
    except rfc8785.CanonicalizationError as error:
        hint = "Give finite numbers, and whole ones below 2^53."
        raise NotCanonical(f"The manifest of '{manifest.name}' cannot be signed: {error}.", hint=hint) from error


def _plain(value: Any) -> Any:
    """Return a value in JSON's own types, with every key left out that says no more than its default."""
    match value:
        case Struct():
            return {name: _plain(getattr(value, name)) for name in _telling_keys(value)}
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case tuple():
            return [_plain(item) for item in value]
        case dt.date():
            return value.isoformat()
        case _:
            return value


def _telling_keys(value: Struct) -> list[str]:
    """Name the keys that differ from their defaults; a key that a later version adds leaves old signatures whole."""
    return [f.name for f in msgspec.structs.fields(value) if getattr(value, f.name) != _default(f)]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()
