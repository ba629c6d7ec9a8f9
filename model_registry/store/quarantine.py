"""Artifacts that must not be used, and why."""

from contextlib import suppress
from pathlib import Path

from model_registry import small_file
from model_registry.store.disk import appearing, listed, remove


class Quarantine:
    """`quarantine/<sha256>`, each a file with the reason.

    The artifact stays where it lies: its undamaged pieces may yet save a download, and one file that appears is a
    change that cannot be interrupted half-way.
    """

    def __init__(self, root: Path) -> None:
        self._reasons, self._drafts = root / "quarantine", root / "incoming"

    def reason(self, sha256: str) -> str:
        """Return why the artifact must not be used; nothing when it may."""
        return self.reasons().get(sha256, "")

    def reasons(self) -> dict[str, str]:
        """Return every quarantined artifact with the reason."""
        return {path.name: _read(path) for path in listed(self._reasons)}

    def put(self, sha256: str, reason: str) -> None:
        """Let nobody use the artifact from now on."""
        with appearing(self._reasons / sha256, self._drafts) as target:
            target.write(reason.encode())

    def lift(self, sha256: str) -> None:
        """Let the artifact be used again."""
        remove(self._reasons / sha256)


def _read(path: Path) -> str:
    with suppress(OSError):
        if reason := small_file.read(path):
            return reason.decode(errors="replace")
    # Lifted meanwhile, or damaged itself: then nobody knows why, and it is safer not to use the artifact.
    return "for a reason that cannot be read any more."
