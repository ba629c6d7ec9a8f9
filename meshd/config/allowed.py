"""What a key accepts, in words that a person can act on."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from msgspec import inspect

_NAMES: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.CustomType: "a path in quotes",
}


def allowed(form: Any) -> str:
    """Describe the values of a type: ``a whole number from 1 to 256``, ``one of 'json', 'console'``."""
    return _described(inspect.type_info(form))


def choices(form: Any) -> list[str]:
    """Return the words that a type accepts; empty when any word, or none, would do."""
    return _choices(inspect.type_info(form))


def item_type(form: Any) -> Any | None:
    """Return the type of a list's elements; none for what is not a list."""
    if get_origin(form) is tuple:
        return get_args(form)[0]
    branches = get_args(form) if get_origin(form) in (Union, UnionType) else ()
    return next((element for branch in branches if (element := item_type(branch)) is not None), None)


def _choices(form: inspect.Type) -> list[str]:
    match form:
        case inspect.EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case inspect.UnionType(types=types):
            return [word for branch in types for word in _choices(branch)]
        case _:
            return []


def _described(form: inspect.Type) -> str:
    match form:
        case inspect.Metadata(extra_json_schema={"description": str(words)}):
            return words
        case inspect.IntType() | inspect.FloatType():
            return _number(form)
        case inspect.EnumType() | inspect.LiteralType():
            return _one_of(_choices(form))
        case inspect.UnionType(types=types):
            return ", or ".join(_described(branch) for branch in types if not isinstance(branch, inspect.NoneType))
        case inspect.VarTupleType(item_type=item):
            return f"a list, each {_described(item)}"
        case _:
            return _NAMES.get(type(form), "a text in quotes")


def _one_of(words: list[str]) -> str:
    return " or ".join(f'"{word}"' for word in words) if len(words) < 3 else "one of " + ", ".join(words)


def _number(form: inspect.IntType | inspect.FloatType) -> str:
    kind = "a whole number" if isinstance(form, inspect.IntType) else "a number"
    if form.gt is not None:
        return f"{kind} above {form.gt:g}"
    if form.ge is not None and form.le is not None:
        return f"{kind} from {form.ge:g} to {form.le:g}"
    return f"{kind}, {form.ge:g} or more" if form.ge is not None else kind
