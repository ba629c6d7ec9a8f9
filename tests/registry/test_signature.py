"""A signature is over one manifest, whole, and there is one way to spell it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from model_registry.errors import SignatureInvalid
from model_registry.manifest import dumps, loads
from model_registry.signature import signed, verify
from model_registry.signature_check import check
from model_registry.signing_key import SigningKey
from tests.registry.manifests import VALID


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.create(tmp_path / "publisher.pem")


def test_what_was_signed_verifies_after_a_way_through_a_file(key: SigningKey) -> None:
    manifest = loads(dumps(signed(loads(VALID), key)))
    assert not manifest.unsigned
    assert manifest.signature
    assert manifest.signature.publisher == key.publisher
    verify(manifest)
    check(manifest)


def test_a_changed_manifest_is_not_what_was_signed(key: SigningKey) -> None:
    changed = replace(signed(loads(VALID), key), privacy="public")
    with pytest.raises(SignatureInvalid, match="not good"):
        verify(changed)
    with pytest.raises(SignatureInvalid) as caught:
        check(changed)
    assert caught.value.problem == f"it is not {key.publisher[:16]}'s over this manifest"
