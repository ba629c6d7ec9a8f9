"""Whatever is done to a store in whatever order, it holds what it should, and nobody is given anything else."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from model_registry.errors import ArtifactCorrupt, ArtifactMissing
from model_registry.pieces import PieceMap
from model_registry.store import ModelStore
from tests.registry.manifests import HUB_MODEL, WATCH_MODEL, sha256
from tests.registry.store.contents import LARGE, bundle_of, cut, damage, download

VERSIONS = {"1.0.0": HUB_MODEL, "2.0.0": LARGE}
CONTENTS = {sha256(content): content for content in (WATCH_MODEL, HUB_MODEL, LARGE)}
artifacts = st.sampled_from(sorted(CONTENTS))


class AnyOrder(RuleBasedStateMachine):
    """Remembers of each artifact whether it is there, damaged and quarantined, and holds the store against that."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        root = Path(self.folder.name)
        self.sources = {v: bundle_of(root / v, content, version=v) for v, content in VERSIONS.items()}
        self.store = ModelStore(root / "store")
        self.version = ""
        self.held: set[str] = set()
        self.damaged: set[str] = set()
        self.quarantined: set[str] = set()

    @override
    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(version=st.sampled_from(sorted(VERSIONS)))
    def add(self, version: str) -> None:
        self.store.add(self.sources[version])
        needed = {sha256(WATCH_MODEL), sha256(VERSIONS[version])}
        for artifact in needed & self.damaged | needed - self.held:
            self.arrived(artifact)
        if self.version and self.version != version:
            self.gone(sha256(VERSIONS[self.version]))
        self.version = version

    @precondition(lambda self: self.version)
    @rule()
    def remove(self) -> None:
        self.store.remove("ecg-anomaly")
        self.gone(sha256(WATCH_MODEL))
        self.gone(sha256(VERSIONS[self.version]))
        self.version = ""

    @rule(artifact=artifacts)
    def download(self, artifact: str) -> None:
        download(self.store, CONTENTS[artifact])
        self.arrived(artifact)

    @rule(artifact=artifacts, pinned=st.booleans())
    def make_room(self, artifact: str, pinned: bool) -> None:
        kept = {sha256(WATCH_MODEL), sha256(VERSIONS[self.version])} if pinned and self.version else set()
        budget = sum(len(CONTENTS[each]) for each in self.held & kept)
        for each in self.store.make_room(0, budget, {"ecg-anomaly"} if pinned else ()):
            assert each not in kept
            self.gone(each)
        assert sum(self.store.artifacts().values()) <= budget

    @rule(artifact=artifacts)
    def damage(self, artifact: str) -> None:
        if artifact in self.held:
            damage(self.store, CONTENTS[artifact])
            self.damaged.add(artifact)

    @rule(artifact=artifacts)
    def quarantine(self, artifact: str) -> None:
        if artifact in self.held:
            self.store.quarantine(artifact, "a test wants it")
            self.quarantined.add(artifact)

    @rule(artifact=artifacts)
    def release(self, artifact: str) -> None:
        with suppress(ArtifactMissing, ArtifactCorrupt):
            self.store.release(artifact)
            assert artifact in self.held - self.damaged
            self.quarantined.discard(artifact)

    @rule(artifact=artifacts)
    def repair(self, artifact: str) -> None:
        if artifact in self.held:
            self.store.repair(artifact, cut(CONTENTS[artifact]))
            self.arrived(artifact)

    @rule()
    def open_again(self) -> None:
        self.store = ModelStore(self.store.root)

    @invariant()
    def usable_is_what_is_there_and_not_quarantined(self) -> None:
        usable = self.held - self.quarantined
        assert dict(self.store.artifacts()).keys() == usable
        assert {each for each in CONTENTS if self.store.holds(each)} == usable
        assert self.store.quarantined().keys() == self.quarantined
        assert self.store.models() == (("ecg-anomaly",) if self.version else ())

    @invariant()
    def only_the_content_itself_is_ever_read(self) -> None:
        for artifact, content in CONTENTS.items():
            try:
                assert self.store.read_artifact(artifact) == content
                assert artifact in self.held - self.quarantined - self.damaged
            except ArtifactMissing:
                assert artifact not in self.held - self.quarantined
            except ArtifactCorrupt:
                assert artifact in self.damaged

    @invariant()
    def every_artifact_has_its_map(self) -> None:
        for artifact in self.held:
            assert self.store.piece_map(artifact) == PieceMap.of(CONTENTS[artifact])
            assert bool(self.store.damaged(artifact)) == (artifact in self.damaged)

    def arrived(self, artifact: str) -> None:
        if artifact in self.damaged:
            self.quarantined.discard(artifact)
        self.held.add(artifact)
        self.damaged.discard(artifact)

    def gone(self, artifact: str) -> None:
        self.held.discard(artifact)
        self.damaged.discard(artifact)
        self.quarantined.discard(artifact)


AnyOrder.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestAnyOrder = AnyOrder.TestCase
