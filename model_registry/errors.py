"""What can be wrong with a model, said so that a person knows what to do next."""

import re
from pathlib import Path
from typing import Literal

from typing_extensions import override

Limit = Literal[
    "size", "format", "external_data", "operators", "nodes", "contract", "memory", "time", "cpu", "crash", "trial"
]
"""What a model may break on its trial; `trial`: it could not be tried here."""


# What a terminal obeys. Sentences quote files of strangers, and line breaks are the worst that may come of that.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class RegistryError(Exception):
    """Root of all errors of the registry: what happened and why, then what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep `message` (what happened, why) and `hint` (what to do next) apart."""
        self.message = _printable(message)
        self.hint = _printable(hint)
        super().__init__(self.message)

    @override
    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ManifestError(RegistryError):
    """A manifest does not say what a manifest must say; its author corrects the line."""

    def __init__(self, source: str, line: int | None, problem: str, *, hint: str = "") -> None:
        """Point at `line` (from 1) of `source`; none where the problem has no line of its own."""
        super().__init__(f"{source}:{line}: {problem}" if line else f"{source}: {problem}", hint=hint)
        self.source = source
        self.line = line
        self.problem = problem


class BundleError(RegistryError):
    """A bundle's files are not what its manifest says; who made the bundle corrects it."""


class ModelUnknown(RegistryError):
    """No model of that name is there; the caller asks for another or adds it."""


class ModelUnreadable(RegistryError):
    """No runtime here can load a model; its author exports it again, or the owner installs the runtime."""


class RunFailed(RegistryError):
    """A runtime gave up on one input; the model stays usable and the caller decides."""


class Undecodable(RegistryError):
    """Encoded bytes are not the tensor that they were announced as; whoever sent them mends its software."""


class CodecMissing(RegistryError):
    """The library of a codec is not installed here; the owner installs it, or others stop sending such tensors."""


class Refused(RegistryError):
    """A model broke a limit on its trial; it is not hosted. Its author mends it, or the owner raises the limit."""

    def __init__(self, limit: Limit, message: str, *, hint: str) -> None:
        """Name the limit that broke; `message` says by how much."""
        super().__init__(message, hint=hint)
        self.limit = limit

    @property
    def lasting(self) -> bool:
        """Tell whether another trial under the same limits would end the same; a busy machine passes."""
        return self.limit not in {"time", "trial"}


class ArtifactMissing(RegistryError):
    """The store has no artifact of that hash; the model is added again."""


class ArtifactCorrupt(RegistryError):
    """A stored file no longer hashes to its name; it must not be loaded, and the model is added again."""

    def __init__(self, path: Path, *, expected: str, found: str) -> None:
        """Name the file, the SHA-256 it was stored under and the one it has now."""
        super().__init__(
            f"Artifact {path} is corrupt: its SHA-256 should be {expected} and is {found}.",
            hint="It was not loaded. Add the model again, and check the disk if this repeats.",
        )
        self.path = path
        self.expected = expected
        self.found = found


class NotCanonical(RegistryError):
    """A manifest holds a number that JSON has no exact form for; whoever signs it corrects the number."""


class KeyUnusable(RegistryError):
    """A publisher's private key cannot be read, made or trusted with a signature; its owner mends the file."""


class PublishersUnreadable(RegistryError):
    """The file of trusted publishers cannot be understood; the user mends it."""


class NotAccepted(RegistryError):
    """Nobody whom this node trusts vouches for a model; its user decides whom to trust."""


class SignatureInvalid(NotAccepted):
    """A manifest is not the one that its publisher signed; it is got again from its publisher."""

    def __init__(self, model: str, problem: str) -> None:
        """Name the model, and say in half a sentence what is wrong with its signature."""
        super().__init__(
            f"The signature of model '{model}' is not good: {problem}.",
            hint="The manifest was changed after it was signed. Get it again, or have its publisher sign it anew.",
        )
        self.problem = problem


class SignatureUnchecked(NotAccepted):
    """A signature could not be checked, which says nothing about it; the user looks at the reason and tries again."""

    def __init__(self, model: str, reason: str) -> None:
        """Name the model and what kept the check from being made."""
        super().__init__(f"The signature of model '{model}' could not be checked: {reason}.", hint="Try again.")


class ReplacementRefused(RegistryError):
    """An installed model would be replaced by an older one, or by somebody else's; its user decides."""


class DownloadRefused(RegistryError):
    """What came is not the artifact, or not all of it; it is asked for again, from somebody else."""


class StoreFull(RegistryError):
    """There is no room: the disk is full, or pinned models take all of the budget; an operator decides what goes."""


class StoreReadOnly(RegistryError):
    """The store may be read and not changed; an operator sets its permissions right."""


class StoreBusy(RegistryError):
    """Somebody else is at it right now; the caller tries again later."""


class StoreFailed(RegistryError):
    """The disk did not do what it was asked; an operator looks at it."""


def _printable(sentence: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", sentence)
