"""Takes over from peers what this node should have: models and versions of publishers that it trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

from meshd import log
from meshd.config import Config
from meshd.core.ids import ModelName
from meshd.daemon.models.acquisition import Acquisition, Wish
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.fetcher import Fetcher, Sources
from meshd.daemon.models.hosting import Hosting
from meshd.daemon.models.preferences import Preferences
from meshd.documents import Problem, Taken
from meshd.errors import MeshError, ModelRefused, NobodyHasIt, NoRoom, UnknownModel
from meshd.wire.messages import Offer
from model_registry import manifest as manifests
from model_registry.errors import NotAccepted, RegistryError
from model_registry.manifest import Manifest
from model_registry.store import ModelStore

LOOK_S = 10.0
"""How soon a publisher whom a command has made trusted is noticed, and a fetch that failed is tried again."""
RETRY_S = 60.0
"""When a manifest that could not be had, or for which there was no room, is tried again if nothing stirs before."""
REFUSED_S = 3_600.0
"""The same for one that was refused: the reason seldom goes away, but a disk or a process may have failed."""


class Acquirer:
    """Considers what peers offer whenever that changes, one model after the other."""

    def __init__(
        self,
        config: Config,
        *,
        store: ModelStore,
        catalogue: Catalogue,
        hosting: Hosting,
        fetcher: Fetcher,
        acquisition: Acquisition,
        preferences: Preferences,
        peers: Sources,
    ) -> None:
        self._allowed = config.models.fetch
        self._store = store
        self._catalogue = catalogue
        self._hosting = hosting
        self._fetcher = fetcher
        self._acquisition = acquisition
        self._preferences = preferences
        self._peers = peers
        self._stirred = asyncio.Event()
        self._lacking_until_s: dict[str, float] = {}
        self._refused_until_s: dict[str, float] = {}
        self._unfit: dict[ModelName, Problem] = {}

    @property
    def problems(self) -> list[Problem]:
        """Return why models that this node should have are not here."""
        return list(self._unfit.values())

    def stir(self) -> None:
        """Consider soon what peers offer by now."""
        self._lacking_until_s.clear()
        self._stirred.set()

    async def run(self) -> None:
        """Consider offers, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), LOOK_S)
            self._stirred.clear()
            try:
                offers = await asyncio.to_thread(lambda: list(self._wanted()))
            except RegistryError as error:  # Nobody can tell whom to trust, or what is in the store.
                log.get_logger().warning(log.MODEL_REFUSED, reason=error.message)
                continue
            for offer in offers:
                await self._consider(offer)

    async def fetch(self, model: ModelName) -> Taken:
        """Take over the newest version that peers offer, also of a model that the configuration does not fetch.

        Raises:
            UnknownModel: no peer in session offers it.
            ModelRefused, NoRoom, NobodyHasIt
        """
        offers = sorted(self._offers(model), key=_newest)
        if not offers:
            raise UnknownModel(f"no peer in session lends a model '{model}'.", hint="`meshd models` lists all models.")
        taken = await self._take_over(offers[-1], may_displace=True)
        await asyncio.to_thread(self._preferences.want, model)
        return taken

    async def _consider(self, offer: Offer) -> None:
        """Take over one model; what keeps it away is shown, and ends nothing else."""
        model = ModelName(offer.model)
        try:
            await self._take_over(offer, may_displace=False)
        except (NobodyHasIt, NoRoom) as error:
            self._lacking_until_s[offer.manifest] = monotonic() + RETRY_S
            self._unfit[model] = Problem(sentence=error.message, hint=error.hint)
        except MeshError as error:
            self._refused_until_s[offer.manifest] = monotonic() + REFUSED_S
            self._unfit[model] = Problem(sentence=error.message, hint=error.hint)
            log.get_logger().warning(log.MODEL_REFUSED, model=model, reason=error.message)
        except Exception:  # noqa: BLE001 - the task boundary: a defect costs this model, and no other one
            self._refused_until_s[offer.manifest] = monotonic() + REFUSED_S
            log.get_logger().exception(log.TASK_FAILED, task="acquirer", model=model)
        else:
            self._unfit.pop(model, None)

    async def _take_over(self, offer: Offer, *, may_displace: bool) -> Taken:
        text = (await self._fetcher.fetch_manifest(offer.manifest)).decode(errors="replace")
        try:
            manifest = manifests.loads(text, f"the manifest of '{offer.model}' from a peer")
            _hold_against(offer, manifest)
            await asyncio.to_thread(self._catalogue.acceptance.check_offered, manifest)
        except RegistryError as error:
            raise ModelRefused(error.message, hint=error.hint) from error
        wish = Wish(manifest=manifest, text=text, sources=self._peers, may_displace=may_displace)
        return await self._acquisition.carry_out(wish)

    def _offers(self, model: ModelName) -> Iterator[Offer]:
        return (offer for source in self._peers() for offer in source.inventory.offers if offer.model == model)

    def _wanted(self) -> Iterator[Offer]:
        """Yield the newest offer of each model that this node should have and has not. Blocks."""
        for model in sorted({ModelName(offer.model) for source in self._peers() for offer in source.inventory.offers}):
            allowed = self._allowed == "all" or (self._allowed != "none" and model in self._allowed)
            if allowed and model not in self._preferences.removed:
                fitting = [offer for offer in self._offers(model) if self._is_wanted(model, offer)]
                yield from sorted(fitting, key=_newest)[-1:]

    def _is_wanted(self, model: ModelName, offer: Offer) -> bool:
        if monotonic() < max(
            until_s.get(offer.manifest, 0.0) for until_s in (self._lacking_until_s, self._refused_until_s)
        ):
            return False
        if offer.publisher not in self._catalogue.acceptance.trusted():
            return False
        known = self._catalogue.manifest(model)
        return known is None or _number(known.version) < _newest(offer) or self._lacks_best(known, offer)

    def _lacks_best(self, known: Manifest, offer: Offer) -> bool:
        """Tell whether the very version that is here would run better with an artifact that is not."""
        quarantined = self._store.quarantined()  # Those are the healer's to restore.
        options = (
            option
            for option in self._hosting.candidates(known)
            if option.artifact not in quarantined and not self._hosting.refusal(option.artifact)
        )
        best = next(options, None)
        return known.version == offer.version and best is not None and not self._store.holds(best.artifact)


def _hold_against(offer: Offer, manifest: Manifest) -> None:
    publisher = manifest.signature.publisher if manifest.signature else None
    if (manifest.name, manifest.version, publisher) != (offer.model, offer.version, offer.publisher):
        raise NotAccepted(f"A peer offers a manifest as '{offer.model}' {offer.version} which is another one.")


def _newest(offer: Offer) -> tuple[int, ...]:
    return _number(offer.version)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
