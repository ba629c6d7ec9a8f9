"""What requests have taught a policy, on disk: one small file in the state directory of each device."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

import msgspec

from meshd import log
from meshd.core.ids import ModelName
from meshd.documents import Done
from meshd.net.files import write_atomically
from meshd.policy.experience import Experience, Kept

_SAVE_EVERY_S = 300.0
"""Seldom enough for a memory card; what a crash loses is learned again."""

_MOST_BYTES = 1_000_000
"""Ten times what is ever written: of whatever is larger the rest is not read, and so it is no such file."""


class ExperienceFile:
    """Keeps experience over restarts. Without the file, or under another policy, it begins afresh.

    A person may delete the file at any time: then all is forgotten, by a daemon that runs within minutes.
    """

    def __init__(self, path: Path, experience: Experience) -> None:
        self._path = path
        self._experience = experience
        self._saved_lessons = 0
        self._is_there = False
        self._looked_s = monotonic()

    def read(self) -> None:
        """Take back what was kept; what is no such file, or another policy's, is told in the log and left."""
        try:
            with self._path.open("rb") as file:
                kept = msgspec.json.decode(file.read(_MOST_BYTES), type=Kept)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse(str(error))
            return
        self._is_there = self._experience.remember(kept, monotonic())
        if not self._is_there:
            self._refuse("the choices of another policy taught it")

    async def save_now_and_then(self) -> None:
        """Save in a thread, if it is time to and there is anything new."""
        if monotonic() - self._looked_s >= _SAVE_EVERY_S:
            self._looked_s = monotonic()
            if content := self._content():
                await asyncio.to_thread(self._write, content)

    def save(self) -> None:
        """Save what is new."""
        if content := self._content():
            self._write(content)

    async def reset(self, _model: ModelName) -> Done:
        """Forget all; an order that names no model."""
        self._experience.forget()
        self._is_there, self._saved_lessons = False, self._experience.lessons
        self._path.unlink(missing_ok=True)
        log.get_logger().info(log.EXPERIENCE_RESET)
        return Done(sentence="What requests had taught the policy here is forgotten.")

    def _content(self) -> bytes:
        """Return what is to be written, empty where nothing is new; forget all where a person has deleted the file."""
        if self._is_there and self._is_deleted():
            self._experience.forget()
            self._is_there = False
            log.get_logger().info(log.EXPERIENCE_RESET)
            return b""
        if self._experience.lessons == self._saved_lessons:
            return b""
        self._saved_lessons = self._experience.lessons
        return msgspec.json.encode(self._experience.kept())

    def _is_deleted(self) -> bool:
        """Tell whether a person has deleted the file; a disk that does not answer has deleted nothing."""
        try:
            self._path.lstat()
        except FileNotFoundError:
            return True
        except OSError as error:
            self._refuse(str(error))
        return False

    def _write(self, content: bytes) -> None:
        try:
            write_atomically(self._path, content, mode=0o600)
            self._is_there = True
        except OSError as error:
            self._refuse(str(error))

    def _refuse(self, reason: str) -> None:
        log.get_logger().warning(log.EXPERIENCE_REFUSED, path=str(self._path), reason=reason)
