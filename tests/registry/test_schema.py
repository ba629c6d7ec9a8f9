"""The published schema: what another vendor validates manifests with."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import meshd.bench
import model_registry
from model_registry.schema import manifest_schema
from tests.registry.manifests import VALID

SHIPPED = [
    *sorted(Path(model_registry.__file__).parent.glob("zoo/*/manifest.toml")),
    *sorted(Path(meshd.bench.__file__).parent.glob("models/*/manifest.toml")),
]


def parsed(text: str) -> Any:
    """TOML as a vendor's JSON tools see it: dates are strings."""
    return json.loads(json.dumps(tomllib.loads(text), default=str))


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(json.dumps(manifest_schema()))


@pytest.fixture(scope="module")
def validator(schema: Any) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_manifests_are_valid_by_the_schema(validator: Draft202012Validator, path: Path) -> None:
    assert list(validator.iter_errors(parsed(path.read_text()))) == []


def test_models_ship_to_be_checked() -> None:
    assert {path.parent.name for path in SHIPPED} >= {"ecg", "bench-tiny"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("privacy =", "privcy ="),
        ('dtype = "float32"', 'dtype = "flaot32"'),
        ("max = 64", "max = 0"),
        ("trained = 2026-11-21", 'trained = "in autumn"'),
        ('name = "ecg-anomaly"', 'name = "ecg-anomaly\\n"'),
        ('version = "1.0.0"', 'version = "\u0661.\u0660.\u0660"'),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(validator: Draft202012Validator, old: str, new: str) -> None:
    assert old in VALID
    assert not validator.is_valid(parsed(VALID.replace(old, new, 1)))


def test_every_key_and_every_table_is_described(schema: Any) -> None:
    assert list(undescribed(schema["$defs"])) == []


def undescribed(definitions: dict[str, Any]) -> Iterator[str]:
    for name, table in definitions.items():
        if not table.get("description"):
            yield name
        yield from (f"{name}.{key}" for key, form in table["properties"].items() if not form.get("description"))


def test_no_key_may_be_added(schema: Any) -> None:
    assert [name for name, table in schema["$defs"].items() if table["additionalProperties"] is not False] == []
