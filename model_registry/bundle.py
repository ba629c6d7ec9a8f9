"""A folder with a manifest and the files it names, on disk or inside an installed package."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from model_registry.errors import BundleError

MANIFEST = "manifest.toml"


def path_flaw(file: str) -> str:
    """Say why `file` may not be named by a manifest; nothing when it may."""
    path = PurePosixPath(file)
    if path.is_absolute() or "\\" in file or ":" in file:
        return f"File '{file}' is not a plain relative path."
    if ".." in path.parts:
        return f"File '{file}' leaves the bundle."
    if str(path) != file or file == ".":
        return f"File '{file}' is not in its plain form, '{path}'."
    return ""


@contextmanager
def open_member(bundle: Path, file: str) -> Iterator[IO[bytes]]:
    """Open a bundle's file for reading, following no symbolic link on the way.

    Raises:
        BundleError: the path leaves the bundle, passes a link, or is no file.

    """
    if problem := path_flaw(file):
        raise BundleError(problem, hint="Name a file of the bundle by its relative path.")
    member = bundle
    for part in PurePosixPath(file).parts:
        member = member.joinpath(part)
        if member.is_symlink():
            raise BundleError(f"'{file}' is reached by a symbolic link.", hint="Put the file itself there.")
    if not member.is_file():
        raise BundleError(f"The bundle {bundle} has no file '{file}'.", hint="Add it, or correct the manifest.")
    with member.open("rb") as stream:
        yield stream
