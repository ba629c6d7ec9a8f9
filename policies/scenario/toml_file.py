"""From a TOML file to a form, with errors that name the line, what is wrong and the word that was probably meant."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from model_registry.flaw import Flaw
from model_registry.toml_lines import line_of
from model_registry.type_flaws import type_flaws
from policies.errors import FileUnusable

T = TypeVar("T")


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        FileUnusable: it is not there, not readable or not UTF-8.

    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileUnusable(path, None, f"cannot be read: {error.strerror}.", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise FileUnusable(path, None, "is not UTF-8 text.", hint="Save it as UTF-8.") from error


def decode(text: str, path: Path | str, form: type[T]) -> T:
    """Turn TOML into a form.

    Raises:
        FileUnusable: with the line of the first offending key.

    """
    tables = _tables(text, path)
    try:
        return msgspec.convert(tables, form)
    except msgspec.ValidationError as error:
        flaw = next(type_flaws(tables, form), Flaw((), f"{error}."))
        raise error_of(flaw, text, path) from None


def error_of(flaw: Flaw, text: str, path: Path | str) -> FileUnusable:
    """Return a flaw as an error that points at its line in the text."""
    return FileUnusable(path, line_of(text, flaw.path), flaw.problem, hint=flaw.hint)


def _tables(text: str, path: Path | str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileUnusable(path, None, f"is not TOML: {error}.", hint="Mend that line.") from error
