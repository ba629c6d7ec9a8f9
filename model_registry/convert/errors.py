"""Why a model or the samples that came with it could not be used."""

from __future__ import annotations

from model_registry.errors import RegistryError


class ModelRefused(RegistryError):
    """The file cannot be imported; its owner exports it again or says what is missing."""


class SamplesRefused(RegistryError):
    """Calibration data or labels are not what the model takes; the user corrects the file or the option."""


class NotApplicable(RegistryError):
    """A variant makes no sense for this model; the sweep goes on without it and says why."""


def first_line(error: BaseException, *, limit: int = 300) -> str:
    """Return what a library said, short enough for a sentence: some print whole graphs."""
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    return line[:limit].rstrip(".")
