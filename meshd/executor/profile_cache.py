"""Profiles kept between starts, so that only the first one measures."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from meshd.core.ids import ArtifactHash
from meshd.executor.profile import Profile
from model_registry.small_file import read_json


class _File(Struct, frozen=True, kw_only=True):
    machine: str
    profiles: dict[ArtifactHash, Profile]


class ProfileCache:
    """A JSON file of profiles by artifact. One written on another machine, or unreadable, counts as empty."""

    def __init__(self, path: Path, *, machine: str | None = None) -> None:
        self._path = path
        self._machine = machine or this_machine()
        self._profiles = self._read()
        self._writing = Lock()  # Stages are measured beside models.

    def get(self, artifact: ArtifactHash) -> Profile | None:
        """Return what was measured of an artifact on this machine, if it was."""
        return self._profiles.get(artifact)

    def put(self, artifact: ArtifactHash, profile: Profile) -> None:
        """Keep a profile; :meth:`save` writes it down."""
        self._profiles[artifact] = profile

    def keep(self, measured: Mapping[ArtifactHash, Profile]) -> None:
        """Keep profiles and write them down; on a full disk the next start measures again."""
        for artifact, profile in measured.items():
            self.put(artifact, profile)
        with suppress(OSError):
            self.save()

    def save(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: the state directory is full or cannot be written.
        """
        with self._writing:
            content = msgspec.json.encode(_File(machine=self._machine, profiles={**self._profiles}))
            partial = self._path.with_suffix(".partial")
            partial.write_bytes(content)
            partial.replace(self._path)

    def _read(self) -> dict[ArtifactHash, Profile]:
        try:
            found = read_json(self._path, _File)
        except (OSError, ValueError):
            return {}
        return found.profiles if found.machine == self._machine else {}


def this_machine() -> str:
    """Return what a timing depends on besides the model: processor, cores, and the Python that calls."""
    return f"{platform.machine()}/{_processor()}/{os.cpu_count()}/python{platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, "unknown")
