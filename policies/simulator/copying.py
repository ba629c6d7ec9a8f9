"""Copies of a running world, cheap enough for a planner that tries every way out of every decision.

What cannot change is shared, what can is copied, each object once. Which is which is read off the types: a frozen
struct whose fields are all of fixed types, texts and numbers cannot change. What is not understood raises TypeError, so
that nothing is shared by oversight.
"""

from __future__ import annotations

import gc
import itertools
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from enum import Enum
from operator import is_
from types import BuiltinFunctionType, FunctionType, NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import force_setattr

_ATOMS: frozenset[Any] = frozenset((str, int, float, bool, bytes, complex, NoneType))
_CODE = (type, FunctionType, BuiltinFunctionType)

_Copy = Callable[[Any, dict[int, Any]], Any]
_copies: dict[type, _Copy] = {}
"""How objects of a type are copied."""
_fixed: set[type] = {*_ATOMS, *_CODE}
"""Types whose objects are shared."""


def copy_of(root: Any, *, shared: Sequence[object] = ()) -> Any:
    """Return a copy of all that an object can reach, but for what is ``shared`` and what cannot change.

    The garbage collector rests meanwhile: none of what is made is garbage, and it would look through it many times.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return _copied(root, {id(one): one for one in shared})
    finally:
        if was_collecting:
            gc.enable()


def is_fixed(hint: Any) -> bool:
    """Tell whether nothing of what a type hint allows can ever change."""
    return _is_fixed(hint, frozenset())


def _copied(one: Any, known: dict[int, Any]) -> Any:
    kind = type(one)
    if kind in _fixed:
        return one
    made = known.get(id(one))
    if made is not None:
        return made
    how = _copies.get(kind)
    if how is not None:
        return how(one, known)
    how = _way_of(kind)
    if how is None:
        _fixed.add(kind)
        return one
    _copies[kind] = how
    return how(one, known)


def _way_of(kind: type) -> _Copy | None:
    if issubclass(kind, Enum) or (issubclass(kind, Struct) and is_fixed(kind)) or _is_fixed_row(kind):
        return None
    if issubclass(kind, Struct):
        return _way_of_struct(kind)
    for known_kind, how in _CONTAINERS.items():
        if kind is known_kind:
            return how
    if getattr(kind, "__dict__", None) is not None and kind.__module__.split(".")[0] in {"meshd", "policies", "tests"}:
        return _object
    raise TypeError(f"a running world holds a {kind.__qualname__}, and nobody has said how to copy one")


def _is_fixed_row(kind: type) -> bool:
    """Tell whether a type is a tuple with names for parts that cannot change."""
    hints = get_type_hints(kind, include_extras=True) if issubclass(kind, tuple) else {}
    return bool(hints) and all(map(is_fixed, hints.values()))


def _way_of_struct(kind: type[Struct]) -> _Copy:
    """Return what copies structs of one type: all at once, and then what may change in them."""
    hints = get_type_hints(kind, include_extras=True)
    moving = tuple(name for name in kind.__struct_fields__ if not is_fixed(hints[name]))
    change, fixed = (force_setattr if kind.__struct_config__.frozen else setattr), _fixed

    def struct(one: Any, known: dict[int, Any]) -> Any:
        made = known[id(one)] = one.__copy__()
        for name in moving:
            value = getattr(one, name)
            if type(value) not in fixed:
                change(made, name, _copied(value, known))
        return made

    return struct


def _object(one: Any, known: dict[int, Any]) -> Any:
    kind: type[Any] = type(one)
    made, fixed = object.__new__(kind), _fixed
    known[id(one)] = made
    made.__dict__ = {
        name: value if type(value) in fixed else _copied(value, known) for name, value in one.__dict__.items()
    }
    return made


def _list(one: list[Any], known: dict[int, Any]) -> list[Any]:
    made = known[id(one)] = one.copy()
    if not _fixed.issuperset(map(type, one)):
        made[:] = [_copied(value, known) for value in one]
    return made


def _dict(one: dict[Any, Any], known: dict[int, Any]) -> dict[Any, Any]:
    """Copy a dictionary of any kind; what can be a key here cannot change."""
    made = known[id(one)] = one.copy()
    if one and not _fixed.issuperset(map(type, one.values())):
        for key, value in one.items():
            made[key] = _copied(value, known)
    return made


def _tuple(one: tuple[Any, ...], known: dict[int, Any]) -> tuple[Any, ...]:
    if _fixed.issuperset(map(type, one)):
        return one
    made = tuple([_copied(value, known) for value in one])
    return one if all(map(is_, made, one)) else made


def _set(one: set[Any], known: dict[int, Any]) -> set[Any]:
    """Copy a set; what can be in one here cannot change."""
    made = known[id(one)] = one.copy()
    return made


def _deque(one: deque[Any], known: dict[int, Any]) -> deque[Any]:
    made = known[id(one)] = deque((_copied(value, known) for value in one), one.maxlen)
    return made


def _count(one: itertools.count[int], known: dict[int, Any]) -> itertools.count[int]:
    """Copy a counter of ones: only what it shows tells where it is, without moving it."""
    made = known[id(one)] = itertools.count(int(repr(one).removeprefix("count(").removesuffix(")")))
    return made


def _frozenset(one: frozenset[Any], _known: dict[int, Any]) -> frozenset[Any]:
    return one


_CONTAINERS: dict[type, _Copy] = {
    list: _list,
    dict: _dict,
    OrderedDict: _dict,
    Counter: _dict,
    tuple: _tuple,
    set: _set,
    frozenset: _frozenset,
    deque: _deque,
    itertools.count: _count,
}


def _is_fixed(hint: Any, within: frozenset[Any]) -> bool:
    if hint in _ATOMS or hint is Ellipsis or hint in within or get_origin(hint) is Literal:
        return True
    if isinstance(hint, NewType):
        return _is_fixed(hint.__supertype__, within)
    if get_origin(hint) is Annotated:
        return _is_fixed(get_args(hint)[0], within)
    if get_origin(hint) in {Union, UnionType, tuple, frozenset}:
        return all(_is_fixed(part, within) for part in get_args(hint))
    if not isinstance(hint, type):
        return False
    if issubclass(hint, Enum):
        return True
    if not issubclass(hint, Struct) or not hint.__struct_config__.frozen:
        return False
    parts = get_type_hints(hint, include_extras=True).values()
    return all(_is_fixed(part, within | {hint}) for part in parts)
