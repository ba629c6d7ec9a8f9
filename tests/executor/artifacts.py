"""A store of the executor's own protocol, kept in memory."""

import hashlib
from pathlib import Path
from threading import Event

from model_registry.errors import ArtifactCorrupt, ArtifactMissing


class MemoryStore:
    """Artifacts by their hash. A closed gate makes it a slow disk; `rotten` makes it a broken one."""

    def __init__(self, *contents: bytes) -> None:
        self._contents = {hashlib.sha256(content).hexdigest(): content for content in contents}
        self.rotten = False
        self.fault: Exception | None = None
        self.gate = Event()
        self.gate.set()

    def read_artifact(self, sha256: str) -> bytes:
        assert self.gate.wait(timeout=10)
        if self.fault:
            raise self.fault
        if self.rotten:
            raise ArtifactCorrupt(Path("artifacts", sha256), expected=sha256, found="f" * 64)
        if sha256 not in self._contents:
            raise ArtifactMissing(f"The store has no artifact {sha256}.", hint="Add its model again.")
        return self._contents[sha256]
