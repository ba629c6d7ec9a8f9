"""Ed25519 signatures over manifests. Run as a program, it checks the manifest on its standard input.

A signature vouches for the manifest and, by the hashes and piece roots in it, for every artifact.
This module loads cryptography, 10 MB for good: a daemon imports
:mod:`model_registry.trust.signature_check` in its place.
"""

import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from model_registry import manifest as manifests
from model_registry.errors import NotCanonical, SignatureInvalid
from model_registry.manifest import Manifest, Signature
from model_registry.trust.canonical import message
from model_registry.trust.signing_key import SigningKey
from model_registry.trust.weak_key import is_weak


def signed(manifest: Manifest, key: SigningKey) -> Manifest:
    """Return the manifest with `key`'s signature in place of any other, and of `unsigned`.

    Raises:
        NotCanonical: a number in it has no exact form.

    """
    vouched = replace(manifest, unsigned=False, signature=None)
    return replace(vouched, signature=Signature(publisher=key.publisher, value=key.sign(message(vouched))))


def verify(manifest: Manifest) -> None:
    """Check the signature that the manifest carries.

    Raises:
        SignatureInvalid: there is none, or it is not its publisher's over exactly this manifest.

    """
    if manifest.signature is None:
        raise SignatureInvalid(manifest.name, "it carries none")
    if is_weak(manifest.signature.publisher):
        raise SignatureInvalid(manifest.name, "its key is one that anybody can sign with")
    try:
        publisher = Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest.signature.publisher))
        publisher.verify(bytes.fromhex(manifest.signature.value), message(manifest))
    except (InvalidSignature, ValueError, NotCanonical) as error:
        problem = f"it is not {manifest.signature.publisher[:16]}'s over this manifest"
        raise SignatureInvalid(manifest.name, problem) from error


def main() -> None:
    """Check the manifest on standard input; say on standard output what is wrong with its signature, and end with 1."""
    try:
        verify(manifests.loads(sys.stdin.buffer.read().decode()))
    except SignatureInvalid as error:
        sys.stdout.write(error.problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
