"""Which manifests this node accepts: those it came with, and those that somebody whom it trusts vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from meshd.config import Config
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.errors import ManifestError, ModelUnknown, NotAccepted
from model_registry.manifest import Manifest
from model_registry.store import ModelStore, bundled_models
from model_registry.trust.publisher import Publishers
from model_registry.trust.replacement import check_replacement, version_of
from model_registry.trust.signature_check import check

BUNDLED = "bundled"


class Acceptance:
    """The rule of what may be installed and run here. All methods block, for a tenth of a second at the longest."""

    def __init__(self, config: Config, store: ModelStore) -> None:
        self._store = store
        self._publishers = Publishers(config.publishers_path, config.models.publishers, verify=self._verify)
        self._verified: dict[str, Manifest] = {}

    def check(self, manifest: Manifest) -> None:
        """Let a manifest be run: bundled, signed by a trusted publisher, or unsigned and saying so.

        Raises:
            NotAccepted: it is none of these.
            PublishersUnreadable: nobody can tell whom to trust.
        """
        if not is_bundled(manifest):
            self._publishers.accept(manifest)

    def check_new(self, manifest: Manifest) -> None:
        """Let a manifest that somebody brings to this device be installed.

        Raises:
            NotAccepted, PublishersUnreadable: as :meth:`check`.
            ReplacementRefused: it would take the place of a newer one, or of another publisher's.
        """
        self.check(manifest)
        if installed := self._installed(manifest.name):
            check_replacement(installed, manifest)

    def check_offered(self, manifest: Manifest) -> None:
        """Let a manifest that a peer offers be fetched: signed by a trusted publisher, and newer than what is here.

        Raises:
            NotAccepted, PublishersUnreadable: as :meth:`check`; unsigned ones never come from a peer.
            ReplacementRefused: it would take the place of a newer one, or of another publisher's.
        """
        self._publishers.accept_from_peer(manifest)
        installed = self._installed(manifest.name)
        if installed is None:
            return
        check_replacement(installed, manifest)
        if version_of(manifest) == version_of(installed) and manifest != installed:
            problem = f"A peer offers another '{manifest.name}' under the version {manifest.version} that is here."
            raise NotAccepted(problem, hint="Its publisher gives every change a version of its own.")

    def trusted(self) -> frozenset[str]:
        """Return the keys of the publishers whose models are accepted here.

        Raises:
            PublishersUnreadable: nobody can tell.
        """
        return frozenset(self._publishers.trusted())

    def signer(self, manifest: Manifest) -> str:
        """Return who vouches for an accepted manifest: a publisher's name or key, `unsigned`, or `bundled`."""
        return BUNDLED if is_bundled(manifest) else self._publishers.signer(manifest)

    def _installed(self, name: str) -> Manifest | None:
        try:
            return self._store.open(name)
        except (ModelUnknown, ManifestError):  # A damaged one has no claim on its name.
            return None

    def _verify(self, manifest: Manifest) -> None:
        """Check a signature once: the same manifest is looked at when it is installed and when it is run."""
        if self._verified.get(manifest.name) != manifest:
            check(manifest)
            self._verified[manifest.name] = manifest


def is_bundled(manifest: Manifest) -> bool:
    """Tell whether a manifest is one that came with this package, unchanged."""
    return bundled_manifests().get(manifest.name) == manifest


@cache
def bundled_manifests() -> Mapping[str, Manifest]:
    """Return the manifests that ship with this package, by name."""
    return MappingProxyType(
        {
            name: manifests.loads(folder.joinpath(MANIFEST).read_text(encoding="utf-8"))
            for name, folder in bundled_models().items()
        }
    )
