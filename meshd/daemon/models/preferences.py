"""What a person has said about models with commands, and expects to hold after a restart."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from meshd import log
from meshd.core.ids import ModelName
from meshd.net.files import write_atomically
from model_registry.small_file import read_json


class _File(Struct, frozen=True, kw_only=True):
    pinned: frozenset[ModelName] = frozenset()
    removed: frozenset[ModelName] = frozenset()


class Preferences:
    """A JSON file of pinned and removed models. An unreadable one counts as empty. Writing blocks."""

    def __init__(self, path: Path, *, always_pinned: Collection[str] = ()) -> None:
        self._path = path
        self._always = frozenset(map(ModelName, always_pinned))
        self._said = self._read()

    @property
    def pinned(self) -> frozenset[ModelName]:
        """Return the models that are never removed to make room, those of the configuration included."""
        return self._said.pinned | self._always

    @property
    def removed(self) -> frozenset[ModelName]:
        """Return the models that are neither installed from what ships nor fetched, until somebody asks for them."""
        return self._said.removed

    def pin(self, model: ModelName) -> None:
        """Never remove a model to make room."""
        self._write(replace(self._said, pinned=self._said.pinned | {model}))

    def unpin(self, model: ModelName) -> None:
        """Let a model be removed again to make room."""
        self._write(replace(self._said, pinned=self._said.pinned - {model}))

    def remove(self, model: ModelName) -> None:
        """Remember that a model is not wanted here."""
        self._write(_File(pinned=self._said.pinned - {model}, removed=self._said.removed | {model}))

    def want(self, model: ModelName) -> None:
        """Remember that a model is wanted here after all."""
        if model in self._said.removed:
            self._write(replace(self._said, removed=self._said.removed - {model}))

    def _read(self) -> _File:
        try:
            return read_json(self._path, _File)
        except FileNotFoundError:
            return _File()
        except (OSError, ValueError) as error:
            log.get_logger().warning(log.PREFERENCES_REFUSED, path=str(self._path), reason=str(error))
            return _File()

    def _write(self, said: _File) -> None:
        if said != self._said:
            write_atomically(self._path, msgspec.json.encode(said, order="sorted"), mode=0o600)
            self._said = said
