"""Trials of models kept between starts, so that only what is new, or has changed, is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import Protocol

import msgspec
from msgspec import Struct

import meshd
from meshd.executor.profile_cache import this_machine
from model_registry.admission.admit import admit
from model_registry.admission.admitted import Admitted, Limits
from model_registry.admission.golden import WAY_OF_DRAWING
from model_registry.errors import Limit, ModelUnreadable, Refused
from model_registry.manifest import Manifest
from model_registry.runtime.session import runtime_version
from model_registry.small_file import read_json
from model_registry.tier import Tier, Variant

_MOST_KEPT = 256
"""Versions of models that came and went would otherwise stay for ever."""


class Admission(Protocol):
    """Decides which models may be hosted."""

    def knows(self, manifest: Manifest, tier: Tier, variant: Variant) -> bool:
        """Tell whether the answer about a model is known without a trial."""

    def admit(self, read: Callable[[], bytes], manifest: Manifest, tier: Tier, variant: Variant) -> Admitted:
        """Return what a model was found to take. Blocks; ``read`` gives its bytes and is called when they are needed.

        Raises:
            Refused: it may not be hosted here.
        """

    def close(self) -> None:
        """Call off what goes on in other threads: it is refused."""


class _Failed(Struct, frozen=True, kw_only=True, tag=True):
    """A refusal that another trial would only repeat."""

    limit: Limit
    message: str
    hint: str


class _Passed(Struct, frozen=True, kw_only=True, tag=True):
    admitted: Admitted


class _File(Struct, frozen=True, kw_only=True):
    machine: str
    verdicts: dict[str, _Passed | _Failed]


class Admissions:
    """Tries models in a process of their own, and remembers in a JSON file how that ended.

    A model is tried again when its artifact, what its manifest says of its tensors, the limits, the runtime, meshd or
    the machine have changed. A file that is unreadable counts as empty.
    """

    def __init__(self, path: Path, limits: Limits, *, machine: str | None = None) -> None:
        self._path = path
        self._limits = limits
        self._machine = machine or this_machine()
        self._verdicts = self._read()
        self._closing = Event()
        self._writing = Lock()  # Stages are tried beside models.

    def knows(self, manifest: Manifest, tier: Tier, variant: Variant) -> bool:
        """Tell whether the answer about a model is known without a trial."""
        with suppress(Refused):
            return self._question(manifest, tier, variant) in self._verdicts
        return True  # There is no runtime for it, which takes no trial to tell.

    def admit(self, read: Callable[[], bytes], manifest: Manifest, tier: Tier, variant: Variant) -> Admitted:
        """Return what was found of a model on this machine, now or earlier. Blocks.

        Raises:
            Refused: it broke a limit, or could not be tried.
        """
        question = self._question(manifest, tier, variant)
        verdict = self._verdicts.get(question)
        if verdict is None:
            verdict = self._try(read(), manifest, tier, variant)
            self._remember(question, verdict)
        if isinstance(verdict, _Failed):
            raise Refused(verdict.limit, verdict.message, hint=verdict.hint)
        return verdict.admitted

    def close(self) -> None:
        """Call off the trial that goes on in another thread: a daemon that stops has no minute to wait for it."""
        self._closing.set()

    def _try(self, content: bytes, manifest: Manifest, tier: Tier, variant: Variant) -> _Passed | _Failed:
        try:
            return _Passed(admitted=admit(content, manifest, tier, variant, self._limits, called_off=self._closing))
        except Refused as refused:
            if not refused.lasting:
                raise
            return _Failed(limit=refused.limit, message=refused.message, hint=refused.hint)

    def _question(self, manifest: Manifest, tier: Tier, variant: Variant) -> str:
        asked = (
            meshd.__version__,
            WAY_OF_DRAWING,
            _runtime_of(variant),
            f"{manifest.name}/{tier.name}/{variant.name}",
            variant.artifact,
            variant.names,
            manifest.axes,
            manifest.inputs,
            tier.outputs,
            self._limits,
        )
        return hashlib.sha256(msgspec.msgpack.encode(asked)).hexdigest()

    def _remember(self, question: str, verdict: _Passed | _Failed) -> None:
        partial = self._path.with_suffix(".partial")
        with self._writing, suppress(OSError):  # On a full disk the next start tries again.
            self._verdicts[question] = verdict
            for oldest in list(self._verdicts)[:-_MOST_KEPT]:
                del self._verdicts[oldest]
            partial.write_bytes(msgspec.json.encode(_File(machine=self._machine, verdicts=self._verdicts)))
            partial.replace(self._path)

    def _read(self) -> dict[str, _Passed | _Failed]:
        try:
            found = read_json(self._path, _File)
        except (OSError, ValueError):
            return {}
        return found.verdicts if found.machine == self._machine else {}


def _runtime_of(variant: Variant) -> str:
    try:
        return runtime_version(variant.format)
    except ModelUnreadable as error:
        raise Refused("trial", error.message, hint=error.hint) from error
