"""Whose models this node accepts: publishers' keys, some from the configuration, the rest in a file."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import tomli_w
from msgspec import Meta, Struct

from model_registry.errors import KeyUnusable, NotAccepted, PublishersUnreadable
from model_registry.manifest import Manifest, PublisherKey
from model_registry.small_file import read_toml
from model_registry.store.disk import appearing
from model_registry.trust.signature_check import check
from model_registry.trust.weak_key import is_weak


class Publisher(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody whose models are accepted. The key decides, the name is what people here call them."""

    key: PublisherKey
    name: Annotated[str, Meta(max_length=128)] = ""


class _PublishersFile(Struct, frozen=True, forbid_unknown_fields=True):
    publisher: tuple[Publisher, ...] = ()


class Publishers:
    """Trusted publishers: those given here for good, and those of a TOML file of ``[[publisher]]`` tables.

    The file is read at every question, for commands and people edit it while a daemon runs. All methods block.
    """

    def __init__(
        self, path: Path, configured: Iterable[str] = (), *, verify: Callable[[Manifest], None] = check
    ) -> None:
        """Trust the keys in `configured` and those in the file at `path`, which need not be there yet."""
        self._path = path
        self._configured = {key: Publisher(key=key) for key in configured}
        self._verify = verify

    def trusted(self) -> Mapping[str, Publisher]:
        """Return every trusted publisher by key.

        Raises:
            PublishersUnreadable: the file is there and cannot be understood.

        """
        return self._configured | self._filed()

    def trust(self, key: str, *, name: str = "") -> None:
        """Accept a publisher's models from now on; said again with another name, it renames them.

        Raises:
            KeyUnusable: this is no key.
            PublishersUnreadable: the file is there and cannot be understood.

        """
        if not re.fullmatch("[0-9a-f]{64}", key):
            hint = "It has 64 digits 0-9 and a-f; `meshd models publisher` prints one's own."
            raise KeyUnusable(f"{key!r} is no publisher's key.", hint=hint)
        if is_weak(key):
            hint = "Ask whoever gave it to you where it comes from: no program makes such a key by chance."
            raise KeyUnusable(f"With the key {key} anybody can sign.", hint=hint)
        self._write(self._filed() | {key: Publisher(key=key, name=name)})

    def untrust(self, key: str) -> bool:
        """Accept a publisher of the file no longer; tell whether it was there. The configuration's stay."""
        filed = dict(self._filed())
        if filed.pop(key, None) is None:
            return False
        self._write(filed)
        return True

    def accept(self, manifest: Manifest) -> None:
        """Accept a manifest that a trusted publisher signed, or that says itself that nobody did.

        Raises:
            SignatureInvalid: it carries a signature that is not good, whatever else it says.
            NotAccepted: it is neither, or its publisher is a stranger.
            PublishersUnreadable: the file is there and cannot be understood.

        """
        if manifest.signature:
            self._verify(manifest)
            self._accept_publisher(manifest, manifest.signature.publisher)
        elif not manifest.unsigned:
            hint = "Get a signed one; or, to run it all the same: meshd models sign --unsigned BUNDLE"
            raise NotAccepted(f"Nobody has signed model '{manifest.name}', and it does not say so.", hint=hint)

    def accept_from_peer(self, manifest: Manifest) -> None:
        """Accept a manifest that came over the network: nothing less than a trusted publisher's signature will do.

        Raises:
            SignatureInvalid: it carries a signature that is not good.
            NotAccepted: nobody has signed it, or its publisher is a stranger.
            PublishersUnreadable: the file is there and cannot be understood.

        """
        if manifest.signature is None:
            hint = "Bring the bundle here yourself, or have a publisher sign it: meshd models sign BUNDLE"
            raise NotAccepted(f"Nobody has signed model '{manifest.name}', which a peer offers.", hint=hint)
        self.accept(manifest)

    def signer(self, manifest: Manifest) -> str:
        """Return whom people here know the signer as: a name, else the first digits of the key, else `unsigned`.

        It says whose signature the manifest carries, not that it is good: :meth:`accept` tells that.
        """
        if manifest.signature is None:
            return "unsigned"
        key = manifest.signature.publisher
        try:
            known = self.trusted().get(key)
        except PublishersUnreadable:  # A missing name is no reason to tell nothing.
            known = None
        return known.name if known and known.name else key[:16]

    def _accept_publisher(self, manifest: Manifest, key: str) -> None:
        if key not in self.trusted():
            hint = f"If you know whose key that is: meshd models trust {key} --name NAME"
            raise NotAccepted(f"Model '{manifest.name}' is signed by {key}, who is not trusted here.", hint=hint)

    def _filed(self) -> dict[str, Publisher]:
        try:
            content = read_toml(self._path, _PublishersFile)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            problem = f"The trusted publishers in {self._path} cannot be read: {error}."
            raise PublishersUnreadable(problem, hint="Mend the file, or remove it and trust them again.") from error
        return {publisher.key: publisher for publisher in content.publisher}

    def _write(self, filed: Mapping[str, Publisher]) -> None:
        content = tomli_w.dumps({"publisher": [msgspec.to_builtins(publisher) for publisher in filed.values()]})
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with appearing(self._path, self._path.parent) as draft:
            draft.write(content.encode())
