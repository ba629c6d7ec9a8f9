"""A publisher's private key: who holds the file can speak in the publisher's name."""

import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from model_registry.errors import KeyUnusable


class SigningKey:
    """An Ed25519 key in a PEM file (PKCS #8, as `openssl genpkey -algorithm ed25519` writes it)."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Hold a key; :meth:`create` and :meth:`load` are how one is come by."""
        self._private = private

    @property
    def publisher(self) -> str:
        """The public key, 64 hex digits: what others trust."""
        return self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """Return the signature over `message`, 128 hex digits."""
        return self._private.sign(message).hex()

    @classmethod
    def create(cls, path: Path) -> "SigningKey":
        """Make a key and write it to a new file that only its owner may read.

        Raises:
            KeyUnusable: there is a file already, or none can be written.

        """
        key = Ed25519PrivateKey.generate()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        except FileExistsError as error:
            hint = "Use it, or move it away first: what it signed stays valid."
            raise KeyUnusable(f"{path} is there already.", hint=hint) from error
        except OSError as error:
            raise KeyUnusable(f"No key can be written to {path}: {error.strerror}.") from error
        return cls(key)

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a key.

        Raises:
            KeyUnusable: the file cannot be read, others may read it, or it holds no Ed25519 key.

        """
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    problem = f"{path} holds a private key and others may read it."
                    hint = f"Run: chmod 600 {path}. If others may have read it, make a new key."
                    raise KeyUnusable(problem, hint=hint)
                private = load_pem_private_key(file.read(), password=None)
        except OSError as error:
            hint = "`meshd models publisher` makes one."
            raise KeyUnusable(f"The key {path} cannot be read: {error.strerror}.", hint=hint) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: the key wants a password.
            raise KeyUnusable(f"{path} holds no private key that can be used: {error}.") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyUnusable(f"{path} holds a key of another kind.", hint="Manifests are signed with Ed25519.")
        return cls(private)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there; a write that fails leaves none behind."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
