"""Takes over from peers what this node should have: models and versions of publishers that it trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from time import monotonic

from meshd import log
from meshd.config import Config
from meshd.core.ids import ModelName
from meshd.daemon.models.acquisition import Acquisition, Check, Wish
from meshd.daemon.models.catalogue import Catalogue
from meshd.daemon.models.fetcher import Fetcher, Sources
from meshd.daemon.models.hosting import Hosting
from meshd.daemon.models.preferences import Preferences
from meshd.documents import Problem, Taken
from meshd.errors import MeshError, ModelRefused, NobodyHasIt, NoRoom, UnknownModel
from meshd.wire.messages import Offer
from model_registry import manifest as manifests
from model_registry.errors import NotAccepted, RegistryError, SignatureInvalid
from model_registry.manifest import Manifest
from model_registry.store import ModelStore

LOOK_S = 10.0
"""How soon a publisher whom a command has made trusted is noticed, and a fetch that failed is tried again."""
RETRY_S = 60.0
"""When a manifest that could not be had, or for which there was no room, is tried again if nothing stirs before."""
REFUSED_S = 3_600.0
"""The same for one that was refused: the reason seldom goes away, but a disk or a process may have failed."""
MOST_PROBLEMS = 64
"""Models that could not be had and are told of: as many as a peer offers."""


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
        self._unfit: dict[ModelName, tuple[Offer, Problem]] = {}

    @property
    def problems(self) -> list[Problem]:
        """Return why models that this node should have are not here."""
        return [problem for _, problem in self._unfit.values()]

    def stir(self) -> None:
        """Consider soon what peers offer by now."""
        self._lacking_until_s.clear()
        self._stirred.set()

    async def run(self) -> None:
        """Consider offers, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):  # wait_for may swallow that it is cancelled.
                    await self._stirred.wait()
            self._stirred.clear()
            try:
                wanted, over = await asyncio.to_thread(
                    lambda offers: (self._wanted(offers), self._over()), self._offers()
                )
            except RegistryError as error:  # Nobody can tell whom to trust, or what is in the store.
                log.get_logger().warning(log.MODEL_REFUSED, reason=error.message)
                continue
            for model, offers in wanted.items():
                await self._consider(model, offers)
            self._forget(over)

    async def fetch(self, model: ModelName) -> Taken:
        """Take over the newest version that peers offer, also of a model that the configuration does not fetch.

        Raises:
            UnknownModel: no peer in session offers it.
            ModelRefused, NoRoom, NobodyHasIt: why not the newest, and no other one either.
        """
        offers = [offer for offer in self._offers() if offer.model == model]
        if not offers:
            raise UnknownModel(f"no peer in session lends a model '{model}'.", hint="`meshd models` lists all models.")
        taken = await self._first_taken(_newest_first(offers))
        await asyncio.to_thread(self._preferences.want, model)
        return taken

    async def _first_taken(self, offers: Sequence[Offer]) -> Taken:
        failures: list[MeshError] = []
        for offer in offers:
            try:
                return await self._take_over(offer, self._catalogue.acceptance.check_offered, may_displace=True)
            except MeshError as error:
                failures.append(error)
        raise failures[0]

    async def _consider(self, model: ModelName, offers: Sequence[Offer]) -> None:
        """Take over the first that can be had: a newest one that nobody gives must not keep out the one before."""
        for offer in offers:
            if model in self._preferences.removed or await self._tried(model, offer):
                return

    async def _tried(self, model: ModelName, offer: Offer) -> bool:
        """Tell whether an offer was taken over; what keeps it away is shown, and ends nothing else."""
        try:
            await self._take_over(offer, self._check_wanted, may_displace=False)
        except (NobodyHasIt, NoRoom) as error:
            if not self._stirred.is_set():  # What has come meanwhile may be just what was lacking.
                self._lacking_until_s[offer.manifest] = monotonic() + RETRY_S
            self._unfit[model] = offer, Problem(sentence=error.message, hint=error.hint)
        except MeshError as error:
            self._refused_until_s[offer.manifest] = monotonic() + REFUSED_S
            self._unfit[model] = offer, Problem(sentence=error.message, hint=error.hint)
            log.get_logger().warning(log.MODEL_REFUSED, model=model, reason=error.message)
        except Exception:  # noqa: BLE001 - the task boundary: a defect costs this model, and no other one
            self._refused_until_s[offer.manifest] = monotonic() + REFUSED_S
            log.get_logger().exception(log.TASK_FAILED, task="acquirer", model=model)
        else:
            self._unfit.pop(model, None)
            return True
        return False

    async def _take_over(self, offer: Offer, check: Check, *, may_displace: bool) -> Taken:
        text = (await self._fetcher.fetch_manifest(offer.manifest)).decode(errors="replace")
        try:
            manifest = await asyncio.to_thread(_read_and_checked, text, offer, check)
        except RegistryError as error:
            if isinstance(error, _LIES):
                self._shun_who_offers(offer, error.message)
            raise ModelRefused(error.message, hint=error.hint) from error
        wish = Wish(manifest=manifest, text=text, check=check, sources=self._peers, may_displace=may_displace)
        return await self._acquisition.carry_out(wish)

    def _shun_who_offers(self, offer: Offer, sentence: str) -> None:
        """Ask nothing more of a peer that offers what no node accepts: each such offer costs a process here."""
        for source in self._peers():
            if offer in source.inventory.offers:
                source.lied(sentence)

    def _offers(self) -> list[Offer]:
        return [offer for source in self._peers() if source.is_willing for offer in source.inventory.offers]

    def _over(self) -> list[tuple[Offer, Problem]]:
        """Return the problems whose cause is gone: the model is here by now, or was removed. Blocks."""
        return [(offer, told) for offer, told in list(self._unfit.values()) if not self._is_lacking(offer)]

    def _forget(self, over: Collection[tuple[Offer, Problem]]) -> None:
        """Keep nothing without end: names and hashes are a peer's to make up."""
        self._unfit = {model: unfit for model, unfit in self._unfit.items() if unfit not in over}
        now_s = monotonic()
        self._lacking_until_s = {key: until_s for key, until_s in self._lacking_until_s.items() if until_s > now_s}
        self._refused_until_s = {key: until_s for key, until_s in self._refused_until_s.items() if until_s > now_s}
        for model in list(self._unfit)[:-MOST_PROBLEMS]:
            del self._unfit[model]

    def _wanted(self, offers: Iterable[Offer]) -> dict[ModelName, list[Offer]]:
        """Return the offers of each model that this node should have and has not, newest first. Blocks."""
        trusted = self._catalogue.acceptance.trusted()
        wanted: dict[ModelName, list[Offer]] = {}
        for offer in _newest_first(offers):
            model = ModelName(offer.model)
            allowed = self._allowed == "all" or (self._allowed != "none" and model in self._allowed)
            if allowed and offer.publisher in trusted and self._is_due(offer) and self._is_lacking(offer):
                wanted.setdefault(model, []).append(offer)
        return wanted

    def _is_due(self, offer: Offer) -> bool:
        put_off_s = max(until_s.get(offer.manifest, 0.0) for until_s in (self._lacking_until_s, self._refused_until_s))
        return monotonic() >= put_off_s

    def _is_lacking(self, offer: Offer) -> bool:
        model = ModelName(offer.model)
        if model in self._preferences.removed:
            return False
        known = self._catalogue.manifest(model)
        return known is None or _number(known.version) < _number(offer.version) or self._lacks_best(known, offer)

    def _check_wanted(self, manifest: Manifest) -> None:
        """Let in what may be fetched and was not removed meanwhile."""
        self._catalogue.acceptance.check_offered(manifest)
        if manifest.name in self._preferences.removed:
            raise NotAccepted(f"Model '{manifest.name}' was removed from this node.", hint=_FETCH.format(manifest.name))

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


class _AnotherOne(NotAccepted):
    """An offer names a manifest that is not the one offered."""


_LIES = (SignatureInvalid, _AnotherOne)
"""What no node says that looked at what it offers."""
_FETCH = "To have it back: meshd models fetch {}"


def _read_and_checked(text: str, offer: Offer, check: Check) -> Manifest:
    manifest = manifests.loads(text, f"the manifest of '{offer.model}' from a peer")
    publisher = manifest.signature.publisher if manifest.signature else None
    if (manifest.name, manifest.version, publisher) != (offer.model, offer.version, offer.publisher):
        raise _AnotherOne(f"A peer offers a manifest as '{offer.model}' {offer.version} which is another one.")
    check(manifest)
    return manifest


def _newest_first(offers: Iterable[Offer]) -> list[Offer]:
    """Return each offer once; two peers that have the same say the same."""
    return sorted(dict.fromkeys(offers), key=lambda offer: _number(offer.version), reverse=True)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
