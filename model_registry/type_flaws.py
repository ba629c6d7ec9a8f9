"""Everything in parsed TOML that does not fit a form, not only the first thing."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from model_registry.flaw import Flaw, KeyPath, closest


def type_flaws(value: Any, form: Any, path: KeyPath = ()) -> Iterator[Flaw]:
    """Yield a flaw for every unknown or missing key and every value that does not fit its key.

    `value` is what a TOML parser gave for the key at `path`, and `form` the type that it should have.
    """
    bare = _bare(form)
    if isinstance(value, dict) and _is_struct(bare):
        yield from _flaws_of_table(value, bare, path)
    elif isinstance(value, dict) and get_origin(bare) is dict:
        key_form, item_form = get_args(bare)
        for key, item in value.items():
            yield from _flaws_of_value(key, key_form, (*path, key))
            yield from type_flaws(item, item_form, (*path, key))
    elif isinstance(value, list) and value and get_origin(bare) is tuple:
        for index, item in enumerate(value):
            yield from type_flaws(item, get_args(bare)[0], (*path, index))
    else:
        yield from _flaws_of_value(value, form, path)


def _flaws_of_table(table: dict[str, Any], form: type[Struct], path: KeyPath) -> Iterator[Flaw]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(form)}
    where = f" in {_spelled(path)}" if path else ""
    for key, value in table.items():
        if key in fields:
            yield from type_flaws(value, fields[key].type, (*path, key))
        else:
            yield Flaw((*path, key), f"unknown key '{key}'{where}.", closest(key, fields))
    for key, field in fields.items():
        if field.required and key not in table:
            yield Flaw(path, f"key '{key}' is missing{where}.")


def _flaws_of_value(value: Any, form: Any, path: KeyPath) -> Iterator[Flaw]:
    try:
        msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        yield _flaw_of_value(value, form, path, problem=str(error))


def _flaw_of_value(value: Any, form: Any, path: KeyPath, *, problem: str) -> Flaw:
    bare = _bare(form)
    if get_origin(bare) is Literal and "Invalid enum value" in problem:
        return Flaw(path, f"{_spelled(path)} cannot be '{value}'.", closest(str(value), map(str, get_args(bare))))
    if "matching regex" in problem and (wanted := _description(form)):
        problem = f"expected {wanted}"
    return Flaw(path, f"{_spelled(path)}: {problem[:1].lower()}{problem[1:]}.")


def _bare(form: Any) -> Any:
    """Unwrap `Annotated` and `X | None`, neither of which changes what may be written."""
    if get_origin(form) is Annotated:
        return _bare(get_args(form)[0])
    if get_origin(form) in (Union, UnionType):
        inner = [choice for choice in get_args(form) if choice is not NoneType]
        return _bare(inner[0]) if len(inner) == 1 else form
    return form


def _description(form: Any) -> str:
    """Return the words for people that a type or one of its choices carries, those of all choices joined."""
    if get_origin(form) in (Union, UnionType):
        return " or ".join(filter(None, map(_description, get_args(form))))
    metas = (meta for meta in get_args(form) if isinstance(meta, Meta) and meta.description)
    return next((meta.description or "" for meta in metas), "")


def _is_struct(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, Struct)


def _spelled(path: KeyPath) -> str:
    """Write a path as a person would: tiers[0].outputs[1].dtype."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
