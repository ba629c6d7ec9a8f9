"""Checks a manifest's signature in a process of its own, so that a daemon need not keep cryptography in memory."""

import subprocess
import sys

from model_registry import manifest as manifests
from model_registry.errors import SignatureInvalid, SignatureUnchecked
from model_registry.manifest import Manifest

_CHECKER = "model_registry.trust.signature"
_INVALID = 1
_TIMEOUT_S = 60.0
"""A hundred times what it takes on two busy cores."""


def check(manifest: Manifest) -> None:
    """Check the signature that the manifest carries. Blocks for a tenth of a second.

    Raises:
        SignatureInvalid: there is none, or it is not its publisher's over exactly this manifest.
        SignatureUnchecked: the check itself could not be done.

    """
    checker = [sys.executable, "-P", "-m", _CHECKER]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, our module
            checker, check=False, input=manifests.dumps(manifest).encode(), capture_output=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SignatureUnchecked(manifest.name, str(error)) from error
    if done.returncode == _INVALID and done.stdout:
        raise SignatureInvalid(manifest.name, done.stdout.decode(errors="replace"))
    if done.returncode:
        raise SignatureUnchecked(manifest.name, done.stderr.decode(errors="replace").strip()[-500:])
