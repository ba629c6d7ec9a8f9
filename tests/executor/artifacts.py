"""A store and an admission of the executor's own protocols, kept in memory."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Event

from model_registry.admission.admitted import Admitted, Golden
from model_registry.errors import ArtifactCorrupt, ArtifactMissing, Refused
from model_registry.manifest import Manifest
from model_registry.tier import Tier, Variant


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


class AdmitsAll:
    """Lets every model pass whose artifact can be read, without a trial; a refusal set later is what it says then."""

    def __init__(self, *, known: bool = True) -> None:
        self.refusal: Refused | None = None
        self._known = known

    def knows(self, manifest: Manifest, tier: Tier, variant: Variant) -> bool:
        return self._known

    def close(self) -> None:
        pass

    def admit(self, read: Callable[[], bytes], manifest: Manifest, tier: Tier, variant: Variant) -> Admitted:
        read()
        if self.refusal:
            raise self.refusal
        return Admitted(
            artifact=variant.artifact,
            peak_memory_bytes=1_000_000,
            process_peak_bytes=60_000_000,
            load_s=0.01,
            smallest_p50_s=0.0002,
            smallest_p99_s=0.0003,
            largest_s=0.001,
            golden=Golden(drawn=True, repeatable=False, digests={}),
        )
