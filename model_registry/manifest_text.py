"""From TOML text to typed values, with errors that name the line and the word that was probably meant."""

import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import inspect

from model_registry.errors import ManifestError
from model_registry.flaw import Flaw, KeyPath, closest
from model_registry.toml_lines import line_of

T = TypeVar("T")

# How msgspec words the place of an error: " - at `$.tiers[0].name`"; `[...]` stands for some key of a table.
_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]|\[(?P<any>\.\.\.)\]")
_ANY_KEY = "..."


def read(path: Path) -> str:
    """Return the text of a manifest file.

    Raises:
        ManifestError: the file is not there, not readable or not UTF-8.

    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(str(path), None, f"cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(str(path), None, "is not UTF-8 text.", hint="TOML must be.") from error


def decode(text: str, source: str, form: type[T]) -> T:
    """Turn TOML into a `form`.

    Raises:
        ManifestError: with the line of the offending key.

    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _refuse_syntax(error, source)
    try:
        return msgspec.convert(tables, form)
    except msgspec.ValidationError as error:
        flaw = _flaw_of(str(error), tables, form)
        raise error_of(flaw, text, source) from None


def error_of(flaw: Flaw, text: str, source: str) -> ManifestError:
    """Return a flaw as an error that points at its line in the text."""
    return ManifestError(source, line_of(text, flaw.path), flaw.problem, hint=flaw.hint)


def _refuse_syntax(error: tomllib.TOMLDecodeError, source: str) -> NoReturn:
    found = re.search(r" \(at line (\d+), column \d+\)$", str(error))
    line = int(found[1]) if found else None
    problem = str(error)[: found.start()] if found else str(error)
    raise ManifestError(source, line, f"is not TOML: {problem}.") from error


def _flaw_of(message: str, tables: dict[str, Any], form: type) -> Flaw:
    problem = _PLACE.sub("", message)
    path = _resolved(_path_in(message), message, tables, form)
    place = _type_at(form, path)
    where = f" in {_spelled(path)}" if path else ""
    if unknown := re.search(r"unknown field `(.+)`", problem):
        return Flaw((*path, unknown[1]), f"unknown key '{unknown[1]}'{where}.", closest(unknown[1], _keys(place)))
    if missing := re.search(r"missing required field `(.+)`", problem):
        return Flaw(path, f"key '{missing[1]}' is missing{where}.")
    if value := re.search(r"Invalid enum value '?([^']*)'?", problem):
        return Flaw(path, f"{_spelled(path)} cannot be '{value[1]}'.", closest(value[1], _values(place)))
    return Flaw(path, f"{_spelled(path)}: {problem[:1].lower()}{problem[1:]}.")


def _path_in(message: str) -> KeyPath:
    place = _PLACE.search(message)
    steps = _STEP.finditer(place["path"]) if place else ()
    return tuple(int(step["index"]) if step["index"] else step["key"] or _ANY_KEY for step in steps)


def _resolved(path: KeyPath, message: str, tables: dict[str, Any], form: type) -> KeyPath:
    """Replace each "some key" of the path by the key that alone brings the same complaint."""
    if _ANY_KEY not in path:
        return path
    at = path.index(_ANY_KEY)
    table: Any = tables
    for step in path[:at]:
        table = table[step]
    guilty = next((key for key in table if _complains(table, key, message, tables, form)), None)
    return (*path[:at], guilty, *path[at + 1 :]) if guilty else path[:at]


def _complains(table: dict[str, Any], key: str, message: str, tables: dict[str, Any], form: type) -> bool:
    others = {name: table.pop(name) for name in list(table) if name != key}
    try:
        msgspec.convert(tables, form)
    except msgspec.ValidationError as error:
        return str(error) == message
    else:
        return False
    finally:
        kept = table.pop(key)
        table.update({**others, key: kept})


def _type_at(form: type, path: KeyPath) -> inspect.Type:
    place = inspect.type_info(form)
    for step in path:
        place = _step_into(_bare(place), step)
    return _bare(place)


def _step_into(place: inspect.Type, step: str | int) -> inspect.Type:
    match place:
        case inspect.StructType(fields=fields):
            return next((f.type for f in fields if f.encode_name == step), inspect.AnyType())
        case inspect.VarTupleType(item_type=inner) | inspect.DictType(value_type=inner):
            return inner
        case _:
            return inspect.AnyType()


def _bare(place: inspect.Type) -> inspect.Type:
    """Unwrap `Annotated` and `X | None`, neither of which changes what may be written."""
    if isinstance(place, inspect.Metadata):
        return _bare(place.type)
    if isinstance(place, inspect.UnionType):
        inner = [t for t in place.types if not isinstance(t, inspect.NoneType)]
        return _bare(inner[0]) if len(inner) == 1 else place
    return place


def _keys(place: inspect.Type) -> list[str]:
    return [f.encode_name for f in place.fields] if isinstance(place, inspect.StructType) else []


def _values(place: inspect.Type) -> list[str]:
    return [str(v) for v in place.values] if isinstance(place, inspect.LiteralType) else []


def _spelled(path: KeyPath) -> str:
    """Write a path as a person would: tiers[0].outputs[1].dtype."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
