"""Small files that daemons and people write, read as whatever may stand in their place by now."""

import os
from collections.abc import Callable
from errno import EFBIG, EINVAL
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

import msgspec

MOST_BYTES = 16_000_000
"""A hundred times what any of them has."""

T = TypeVar("T")


def read(path: Path, *, most_bytes: int = MOST_BYTES) -> bytes:
    """Return what a file holds.

    Raises:
        OSError: it cannot be read, is larger than that, or is no file: to a pipe nobody may ever write, and whoever
            waits for it does nothing else.

    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(EINVAL, "It is a pipe or a device, and no file", str(path))
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(EFBIG, f"It has more than {most_bytes:,} bytes", str(path))
    return content


def read_toml(path: Path, form: type[T]) -> T:
    """Return what a TOML file holds.

    Raises:
        OSError: as :func:`read` does.
        ValueError: it is no such TOML.

    """
    return _decoded(read(path), msgspec.toml.decode, form)


def read_json(path: Path, form: type[T]) -> T:
    """Return what a JSON file holds.

    Raises:
        OSError: as :func:`read` does.
        ValueError: it is no such JSON.

    """
    return _decoded(read(path), msgspec.json.decode, form)


def _decoded(content: bytes, decode: Callable[..., Any], form: type[T]) -> T:
    try:
        decoded: T = decode(content, type=form)
    except (msgspec.DecodeError, RecursionError) as error:  # Brackets in brackets; all else is a ValueError by itself.
        raise ValueError(str(error)) from error
    return decoded


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)
