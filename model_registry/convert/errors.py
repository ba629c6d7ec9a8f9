"""Why a model or the samples that came with it could not be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from model_registry.errors import RegistryError


class ModelRefused(RegistryError):
    """The file cannot be imported; its owner exports it again or says what is missing."""


class SamplesRefused(RegistryError):
    """Calibration data or labels are not what the model takes; the user corrects the file or the option."""


class ExtraMissing(RegistryError):
    """A library that this kind of model needs is not installed."""


class NotApplicable(RegistryError):
    """A variant makes no sense for this model; the sweep goes on without it and says why."""


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Turn a failed import inside into a sentence that says what to install.

    Raises:
        ExtraMissing: a library is missing.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"{what} needs '{error.name}', which is not installed.", hint=f"Run: pip install 'meshd[{extra}]'"
        ) from error


def first_line(error: BaseException, *, limit: int = 300) -> str:
    """Return what a library said, short enough for a sentence: some print whole graphs."""
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    return line[:limit].rstrip(".")
