"""A model on this device's disk that a client brings to a daemon, which asks for it piece by piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from meshd.errors import InvalidInput, NotLent
from meshd.wire.messages import Fetch, Fetched, Refusal
from model_registry import manifest as manifests
from model_registry import manifest_text
from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import RegistryError
from model_registry.manifest import Manifest
from model_registry.pieces import PieceMap
from model_registry.tier import Variant

MOST_BYTES = 256 * 2**10
"""In one answer, unless one piece alone is longer."""

Progress = Callable[[int, int], object]
"""Hears how many bytes the daemon has taken, of how many there are; it takes only those that it lacks."""


def _unheard(_taken_bytes: int, _all_bytes: int) -> None:
    return


class BroughtBundle:
    """A bundle whose artifacts were read once and found to be what its manifest names. Reading blocks."""

    def __init__(self, path: str | os.PathLike[str], progress: Progress | None = None) -> None:
        """Read a bundle: its folder, or its manifest file.

        Raises:
            InvalidInput: it is no bundle, or is damaged.
        """
        file = Path(path)
        file = file / MANIFEST if file.is_dir() else file
        self._folder = file.parent
        self._progress = progress or _unheard
        self._taken_bytes = 0
        try:
            self.text = file.read_bytes()
            manifest = _manifest(self.text.decode(), str(file))
            self._maps = {variant.artifact: self._read(variant) for _, variant in manifest.variants()}
        except OSError as error:
            hint = "Give the folder that `meshd models import` made, or the manifest in it."
            raise InvalidInput(f"{file} cannot be read: {error.strerror or error}.", hint=hint) from error
        except UnicodeDecodeError as error:
            told = manifest_text.no_text(file)
            raise InvalidInput(told.message, hint=told.hint) from error
        except RegistryError as error:
            raise InvalidInput(error.message, hint=error.hint) from error
        self._all_bytes = sum(piece_map.size_bytes for _, piece_map in self._maps.values())

    def answer(self, fetch: Fetch) -> tuple[Fetched | Refusal, tuple[bytes, ...]]:
        """Return the answer to what the daemon asks for."""
        file, piece_map = self._maps.get(fetch.sha256, ("", None))
        if piece_map is None or fetch.subject == "manifest" or fetch.first >= piece_map.count:
            refusal = Refusal(request_id=fetch.request_id, code=NotLent.code, message="the bundle has no such thing.")
            return refusal, ()
        content = piece_map.encoded if fetch.subject == "piece_map" else self._pieces(file, piece_map, fetch)
        return Fetched(request_id=fetch.request_id), (content,)

    def has(self, sha256: str) -> bool:
        """Tell whether an artifact is part of it."""
        return sha256 in self._maps

    def _pieces(self, file: str, piece_map: PieceMap, fetch: Fetch) -> bytes:
        start, length = piece_map.extent(fetch.first)
        count = min(fetch.count, max(1, MOST_BYTES // length))
        with open_member(self._folder, file) as stream:
            stream.seek(start)
            content = stream.read(count * length)
        self._taken_bytes += len(content)
        self._progress(self._taken_bytes, self._all_bytes)
        return content

    def _read(self, variant: Variant) -> tuple[str, PieceMap]:
        with open_member(self._folder, variant.file) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
            if found != variant.artifact:
                raise InvalidInput(
                    f"{self._folder / variant.file} is not the file that the manifest names: its SHA-256 is {found}.",
                    hint="Get the bundle again, or import the model again if the change was meant.",
                )
            return variant.file, PieceMap.of(stream)


def _manifest(text: str, source: str) -> Manifest:
    """Return a manifest.

    Raises:
        InvalidInput: all that is wrong with it.
    """
    if found := manifests.mistakes(text, source):
        told = "\n".join(str(mistake) for mistake in found)
        raise InvalidInput(told, hint=f"`meshd models check {source}` tells it again, and what is doubtful.")
    return manifests.loads(text, source)
