"""What only some of us need: the libraries of an extra, and the command that installs them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from model_registry.errors import RegistryError


class ExtraMissing(RegistryError):
    """A library of an extra is not installed; the user installs the extra."""


class _Folder(msgspec.Struct, frozen=True):
    editable: bool = False


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where an installer found us.

    Source: the `direct_url.json` of PEP 610.
    """

    url: str = ""
    dir_info: _Folder = _Folder()

    @classmethod
    def of_this(cls) -> Origin:
        """Return what the installer noted; nothing where it noted nothing."""
        from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 - only who lacks one asks.

        try:
            note = distribution("meshd").read_text("direct_url.json")
            return msgspec.json.decode(note or "{}", type=cls)
        except (PackageNotFoundError, msgspec.DecodeError):
            return cls()

    def installing(self, extra: str) -> str:
        """Return the command that adds an extra.

        Never the bare name: the `meshd` of the public index is a stranger's program.
        """
        scheme, _, path, *_ = urlsplit(self.url)
        source = Path(unquote(path))
        if scheme != "file" or not source.exists():
            return f"pip install '.[{extra}]' in the folder of meshd's source"
        return f"pip install {'-e ' * self.dir_info.editable}'{source}[{extra}]'"


def installing(extra: str) -> str:
    """Return the command that adds an extra to this meshd."""
    return Origin.of_this().installing(extra)


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Turn a failed import inside into a sentence that says what to install.

    Raises:
        ExtraMissing: a library is missing.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        hint = f"Run: {installing(extra)}"
        raise ExtraMissing(f"{what} needs '{error.name}', which is not installed.", hint=hint) from error


@contextmanager
def program_needing(extra: str, what: str) -> Iterator[None]:
    """End a program whose imports inside fail with the same sentence; for those that are run by `python -m`."""
    try:
        with needing(extra, what):
            yield
    except ExtraMissing as missing:
        sys.exit(f"{missing.message}\n{missing.hint}")
