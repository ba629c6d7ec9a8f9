"""Which models this node knows and accepts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd import log
from meshd.config import Config
from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.plan import Partial
from meshd.daemon.models.acceptance import Acceptance, bundled_manifests
from meshd.documents import Problem
from meshd.errors import StageMismatch
from meshd.executor.hosted_tier import raw_input_may_leave, to_hosted_tier
from meshd.executor.input_contract import InputContract
from meshd.executor.output_contract import OutputContract
from meshd.executor.stage_times import Timing
from meshd.executor.tensor_rule import Extents
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.encoding import Encoding
from model_registry.errors import NotAccepted, RegistryError, ReplacementRefused
from model_registry.manifest import Manifest
from model_registry.split import Cut
from model_registry.store import ModelStore

Array = NDArray[Any]


class Place(Struct, frozen=True, kw_only=True):
    """Where an artifact is cut: before one of its stages."""

    model: ModelName
    tier: DeviceClass
    artifact: ArtifactHash
    stage: int

    @classmethod
    def before(cls, rest: Partial, model: ModelName, tier: DeviceClass) -> Place:
        """Return where the rest of a plan begins."""
        return cls(model=model, tier=tier, artifact=rest.artifact, stage=rest.legs[0].first)


class Catalogue:
    """The manifests at hand. A model that cannot be used is a problem to show, not a reason to stop.

    ``on_learned`` hears that a manifest is at hand that was not, or is a newer one.
    """

    def __init__(self, config: Config, store: ModelStore, *, unwanted: Collection[ModelName] = ()) -> None:
        self.on_learned: Callable[[], None] = lambda: None
        self._config = config
        self._store = store
        self._unwanted = unwanted
        self.acceptance = Acceptance(config, store)
        # Never changed in place: threads that choose what to host look through it while the loop learns more.
        self._manifests: Mapping[ModelName, Manifest] = {}
        self._takes: dict[ModelName, InputContract] = {}
        self._crossings: dict[Place, InputContract] = {}
        self._gives: dict[tuple[ModelName, DeviceClass], OutputContract] = {}
        self._problems: dict[str, Problem] = {}

    @property
    def problems(self) -> list[Problem]:
        """Return why models that are on this disk are not accepted."""
        return list(self._problems.values())

    def install(self) -> None:
        """Bring the models of the configured directory, or those that ship with meshd, into the store. Blocks."""
        folder = self._config.models.dir
        if folder is None:
            for name, manifest in bundled_manifests().items():
                self._try(name, lambda name=name, manifest=manifest: self._install_bundled(name, manifest))
        else:
            for path in sorted(folder.glob(f"*/{MANIFEST}")):
                self._try(path.parent.name, lambda path=path: self._install(path))
        for name in self._store.models():
            self._try(name, lambda name=name: self._learn_accepted(name))

    def review(self) -> None:
        """Look at everything again, after publishers were trusted or no longer are. Blocks."""
        self._problems = {}
        self.install()

    def learn(self, manifest: Manifest) -> None:
        """Know a model from now on, or its newer version: what was wrong with the one before is over."""
        self._know(manifest)
        self._problems.pop(manifest.name, None)
        self.on_learned()

    def forget(self, model: ModelName) -> None:
        """Know a model no longer, nor what was wrong with it."""
        self._problems.pop(model, None)
        self._manifests = {name: manifest for name, manifest in self._manifests.items() if name != model}
        self._takes.pop(model, None)
        self._crossings = {place: takes for place, takes in self._crossings.items() if place.model != model}
        self._gives = {key: gives for key, gives in self._gives.items() if key[0] != model}

    def manifest(self, model: ModelName) -> Manifest | None:
        """Return a model's manifest; none when only peers know it."""
        return self._manifests.get(model)

    def manifests(self) -> Iterator[Manifest]:
        """Yield every manifest at hand."""
        yield from self._manifests.values()

    def checked(self, model: ModelName, inputs: Mapping[str, Array]) -> Extents:
        """Return how long each dynamic axis of the inputs is; nothing where the manifest is not at hand.

        Then nothing is known to be wrong with them, and a peer will check.

        Raises:
            InvalidInput: they are not what the manifest demands.
        """
        takes = self._takes.get(model)
        return takes.checked(inputs) if takes else {}

    def checked_crossing(self, place: Place, tensors: Mapping[str, Array]) -> Extents:
        """Return how long each dynamic axis is in what a peer sent for the rest of a plan.

        Raises:
            StageMismatch: the plan is for another artifact than any that is known here, or has other stages.
            InvalidInput: the tensors are not those that cross there.
        """
        manifest, cut = self._cut(place)
        takes = self._crossings.get(place)
        if takes is None:
            takes = self._crossings[place] = InputContract.crossing(manifest, cut)
        return takes.checked(tensors)

    def encodings_of_input(self, model: ModelName, codec: str) -> dict[str, Encoding]:
        """Return how a codec is used on each input that bears it."""
        manifest = self._manifests.get(model)
        return _using(codec, {tensor.name: tensor.encodings for tensor in manifest.inputs}) if manifest else {}

    def encodings_of_crossing(self, place: Place, codec: str) -> dict[str, Encoding]:
        """Return how a codec is used on each tensor that crosses there.

        Raises:
            StageMismatch: the model that has it is not known here any more.
        """
        _, cut = self._cut(place)
        return _using(codec, {tensor.name: cut.encodings for tensor in cut.tensors})

    def believed(self, hosted: HostedTier) -> HostedTier:
        """Return what a peer announces with everything but its speed held against the manifest at hand.

        A peer that claims to be the most accurate would draw every emergency; a file that the manifest does not name
        may be as good as it says, and ranks last. Whether the input may leave this node only the manifest says.
        """
        manifest = self._manifests.get(hosted.model)
        tier = manifest.tier(hosted.tier.value) if manifest else None
        if manifest is None:
            return hosted
        variant = next((v for v in tier.variants if v.artifact == hosted.artifact), None) if tier else None
        if tier is None or variant is None:
            may_leave = raw_input_may_leave(manifest)
            return replace(hosted, accuracy=0.0, calibrated=False, raw_input_may_leave=may_leave, ways=(), stages=())
        return to_hosted_tier(
            manifest,
            tier,
            variant,
            compute_s=hosted.compute_s,
            load_s=hosted.load_s,
            stages=[Timing(seconds=s.compute_s, measured=s.measured, growth=s.growth) for s in hosted.stages],
            sizes=hosted.sizes,
            growth=hosted.growth,
        )

    def flaw_of(self, model: ModelName, tier: DeviceClass, outputs: Mapping[str, Array], extents: Extents) -> str:
        """Return what is wrong with a peer's outputs by the manifest; nothing where the manifest is not at hand."""
        if model not in self._manifests:
            return ""
        gives = self._gives.get((model, tier))
        if gives is None:
            return f"its manifest has no tier {tier}"
        if sorted(outputs) != sorted(gives.names):
            return f"outputs {sorted(outputs)} in place of {sorted(gives.names)}"
        return gives.flaw(outputs, extents)

    def _cut(self, place: Place) -> tuple[Manifest, Cut]:
        """Return the cut before a stage of an artifact, and the manifest that has it."""
        manifest = self._manifests.get(place.model)
        tier = manifest.tier(place.tier) if manifest else None
        if manifest is None or tier is None:
            raise StageMismatch(f"artifact {place.artifact} is to go on with, and '{place.model}' is not known here.")
        variant = next((v for v in tier.variants if v.artifact == place.artifact), None)
        if variant is None:
            known = ", ".join(v.artifact for v in tier.variants)
            raise StageMismatch(f"artifact {place.artifact} is to go on with, and '{place.model}' has {known} here.")
        if variant.split is None or not 0 < place.stage <= len(variant.split.cuts):
            raise StageMismatch(f"artifact {place.artifact} cannot be cut before stage {place.stage}.")
        return manifest, variant.split.cuts[place.stage - 1]

    def _know(self, manifest: Manifest) -> None:
        model = ModelName(manifest.name)
        self._manifests = {**self._manifests, model: manifest}
        self._takes[model] = InputContract(manifest)
        self._crossings = {place: takes for place, takes in self._crossings.items() if place.model != model}
        self._gives = {key: gives for key, gives in self._gives.items() if key[0] != model}
        for tier in manifest.tiers:
            self._gives[model, DeviceClass(tier.name)] = OutputContract(tier, manifest.axes)

    def _install_bundled(self, name: str, manifest: Manifest) -> None:
        """Install what came with meshd, unless the user has put something newer or signed in its place."""
        if name in self._unwanted:
            return
        with suppress(ReplacementRefused):
            self.acceptance.check_new(manifest)
            self._store.install_bundled(name)

    def _install(self, path: Path) -> None:
        manifest = manifests.load(path)
        if manifest.name not in self._unwanted:
            self.acceptance.check_new(manifest)
            self._store.add(path)

    def _learn_accepted(self, name: str) -> None:
        """Learn a model of the store if its publisher is trusted, and forget it if not."""
        manifest = self._store.open(name)
        try:
            self.acceptance.check(manifest)
        except NotAccepted:
            self.forget(ModelName(name))
            raise
        self._know(manifest)

    def _try(self, name: str, step: Any) -> None:
        try:
            step()
        except RegistryError as error:
            self._complain(name, error)

    def _complain(self, name: str, error: RegistryError) -> None:
        sentence = error.message if f"'{name}'" in error.message else f"Model '{name}': {error.message}"
        log.get_logger().error(log.MODEL_REFUSED, reason=sentence)
        self._problems[name] = Problem(sentence=sentence, hint=error.hint)


def _using(codec: str, offered: Mapping[str, tuple[Encoding, ...]]) -> dict[str, Encoding]:
    return {name: e for name, encodings in offered.items() for e in reversed(encodings) if e.codec == codec}
