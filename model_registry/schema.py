"""JSON Schema of a form, with the meaning of every key; its words are the docstrings in the code."""

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from typing import Any

import msgspec
from msgspec import Struct

from model_registry.encoding import Encoding
from model_registry.manifest import Lifecycle, Manifest, Signature
from model_registry.measured import Cost, Evaluation
from model_registry.split import Cut, Split
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Alarm, Bound, Escalation, Tier, Variant

_TABLES: tuple[type[Struct], ...] = (
    *(Manifest, Lifecycle, Signature, Axis, Tensor, Encoding, Tier, Escalation, Bound, Alarm),
    *(Variant, Split, Cut, Cost, Evaluation),
)


def manifest_schema() -> dict[str, Any]:
    """Return the manifest's form as JSON Schema (2020-12), for editors and other vendors."""
    schema = msgspec.json.schema(Manifest)
    describe_keys(schema["$defs"], _TABLES)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "meshd model manifest",
        **schema,
    }


def describe_keys(definitions: dict[str, Any], forms: tuple[type[Struct], ...]) -> None:
    """Put the text below each attribute of the forms into their definitions in a schema."""
    for form in forms:
        properties = definitions[form.__name__]["properties"]
        for key, words in key_descriptions(form).items():
            properties[key]["description"] = words


def key_descriptions(form: type[Struct]) -> dict[str, str]:
    """Return the text that stands below each attribute of a struct and of what it extends, as one line each."""
    return {
        key.target.id: " ".join(inspect.cleandoc(words.value.value).split())
        for extended in reversed(form.__mro__)
        if extended is not Struct and issubclass(extended, Struct)
        for key, words in pairwise(_class_body(extended))
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
