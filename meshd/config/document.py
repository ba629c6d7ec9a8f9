"""The description of every key, for people and for editors; its words are the docstrings in the code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
from msgspec import Struct

from meshd.config.config import Config
from meshd.config.flaws import is_section


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``meshd.toml``, with the meaning of every key."""
    schema = msgspec.json.schema(Config, schema_hook=_schema_of)
    definitions = schema["$defs"]
    sections: list[type[Struct]] = [Config, *_sections()]
    for section in sections:
        for key, words in key_descriptions(section).items():
            definitions[section.__name__]["properties"][key]["description"] = words
    return schema


def key_descriptions(form: type[Struct]) -> dict[str, str]:
    """Return the text that stands below each attribute of a struct, as one line each."""
    body = _class_body(form)
    return {
        key.target.id: " ".join(inspect.cleandoc(words.value.value).split())
        for key, words in pairwise(body)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
        and isinstance(words.value.value, str)
    }


def _class_body(form: type[Struct]) -> list[ast.stmt]:
    tree = ast.parse(dedent(inspect.getsource(form)))
    assert isinstance(tree.body[0], ast.ClassDef), "the source of a struct is one class"
    return tree.body[0].body


def _sections() -> Iterator[type[Struct]]:
    for field in msgspec.structs.fields(Config):
        assert is_section(field.type), "the file holds tables only"
        yield field.type


def _schema_of(form: type) -> dict[str, Any]:
    assert form is Path, "every other type is one that msgspec knows"
    return {"type": "string", "format": "path"}
