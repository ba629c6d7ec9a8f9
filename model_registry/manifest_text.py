"""From TOML text to typed values, with errors that name the line and the word that was probably meant."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from model_registry.errors import ManifestError
from model_registry.flaw import Flaw
from model_registry.toml_depth import DEEPEST_KEY, nests_too_deeply
from model_registry.toml_lines import line_of
from model_registry.type_flaws import type_flaws

T = TypeVar("T")

_MODELS = {".onnx": "an ONNX", ".tflite": "a LiteRT", ".pt2": "a PyTorch"}
_LONGEST_SENTENCE = 500
"""A stranger's key may be a megabyte long, and what is wrong with it goes to logs, to peers and into memory."""


def read(path: Path) -> str:
    """Return the text of a manifest file.

    Raises:
        ManifestError: the file is not there, not readable or not UTF-8.

    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = "A bundle is a folder that holds a manifest.toml; `meshd models import FILE` makes one of a model."
        raise ManifestError(str(path), None, "there is no such file or folder.", hint=hint) from error
    except OSError as error:
        raise ManifestError(str(path), None, f"cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise no_text(path) from error


def decode(text: str, source: str, form: type[T]) -> T:
    """Turn TOML into a `form`.

    Raises:
        ManifestError: with the line of the first offending key.

    """
    tables = _tables(text, source)
    try:
        return msgspec.convert(tables, form)
    except msgspec.ValidationError as error:
        flaw = next(type_flaws(tables, form), Flaw((), f"{error}."))
        raise error_of(flaw, text, source) from None


def no_text(path: Path) -> ManifestError:
    """Return what to tell of a file that is no text: perhaps it is a model, which is imported first."""
    if kind := _MODELS.get(path.suffix):
        return ManifestError(str(path), None, f"is {kind} file.", hint=f"Import it: meshd models import {path}")
    return ManifestError(str(path), None, "is not UTF-8 text.", hint="TOML must be.")


def mistakes(text: str, source: str, form: type) -> Iterator[ManifestError]:
    """Yield an error for every key that keeps TOML from being a `form`."""
    try:
        tables = _tables(text, source)
    except ManifestError as error:
        yield error
        return
    yield from (error_of(flaw, text, source) for flaw in type_flaws(tables, form))


def error_of(flaw: Flaw, text: str, source: str) -> ManifestError:
    """Return a flaw as an error that points at its line in the text."""
    line = line_of(text, flaw.path)
    return ManifestError(source, line, flaw.problem[:_LONGEST_SENTENCE], hint=flaw.hint[:_LONGEST_SENTENCE])


def _tables(text: str, source: str) -> dict[str, Any]:
    if nests_too_deeply(text):
        raise ManifestError(source, None, f"has a key of more than {DEEPEST_KEY} parts.", hint="No manifest needs one.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _refuse_syntax(error, source)
    except (RecursionError, ValueError) as error:  # Brackets in brackets; whole numbers of thousands of digits.
        raise ManifestError(
            source, None, f"cannot be read: {error}.", hint="No manifest needs such a value."
        ) from error


def _refuse_syntax(error: tomllib.TOMLDecodeError, source: str) -> NoReturn:
    found = re.search(r" \(at line (\d+), column \d+\)$", str(error))
    line = int(found[1]) if found else None
    problem = str(error)[: found.start()] if found else str(error)
    raise ManifestError(source, line, f"is not TOML: {problem}.") from error
