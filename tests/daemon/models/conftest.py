"""A publisher, and signatures that are checked without starting a process for each."""

from pathlib import Path

import pytest

from meshd.daemon.models import acceptance
from model_registry.trust.signature import verify
from model_registry.trust.signing_key import SigningKey


@pytest.fixture
def publisher(tmp_path: Path) -> SigningKey:
    """Return a publisher's key; nodes trust it where their configuration says so."""
    return SigningKey.create(tmp_path / "publisher.pem")


@pytest.fixture
def checks_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check signatures by the very function that the checking process calls."""
    monkeypatch.setattr(acceptance, "check", verify)
