"""The description of every key, for people and for editors; its words are the docstrings in the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from meshd.config.config import Config, LinkShape
from meshd.config.flaws import is_section
from meshd.config.policy_name import PolicyName
from model_registry.schema import describe_keys


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``meshd.toml``, with the meaning of every key."""
    schema = msgspec.json.schema(Config, schema_hook=_schema_of)
    describe_keys(schema["$defs"], (Config, LinkShape, *_sections()))
    return schema


def _sections() -> Iterator[type[Struct]]:
    for field in msgspec.structs.fields(Config):
        assert is_section(field.type), "the file holds tables only"
        yield field.type


def _schema_of(form: type) -> dict[str, Any]:
    if form is PolicyName:
        return {"type": "string"}
    assert form is Path, "every other type is one that msgspec knows"
    return {"type": "string", "format": "path"}
