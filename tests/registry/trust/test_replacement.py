"""A name belongs to whom it was installed from, and only grows."""

import pytest
from msgspec.structs import replace

from model_registry.errors import ReplacementRefused
from model_registry.manifest import Manifest, Signature, loads
from model_registry.trust.replacement import check_replacement
from tests.registry.manifests import VALID


def version(number: str, publisher: str = "") -> Manifest:
    """A manifest of that version; its signature is looked at for its publisher alone."""
    signature = Signature(publisher=publisher * 32, value="00" * 64) if publisher else None
    return replace(loads(VALID), version=number, unsigned=not publisher, signature=signature)


@pytest.mark.parametrize("publisher", ["", "aa"])
@pytest.mark.parametrize(("installed", "new"), [("1.2.3", "1.2.4"), ("1.9.0", "1.10.0"), ("1.2.3", "1.2.3")])
def test_the_same_publishers_later_or_equal_version_takes_its_place(publisher: str, installed: str, new: str) -> None:
    check_replacement(version(installed, publisher), version(new, publisher))


@pytest.mark.parametrize("publisher", ["", "aa"])
@pytest.mark.parametrize(("installed", "new"), [("1.2.4", "1.2.3"), ("1.10.0", "1.9.0"), ("2.0.0", "1.99.99")])
def test_an_older_version_does_not(publisher: str, installed: str, new: str) -> None:
    with pytest.raises(ReplacementRefused, match=f"Version {new} .* is older than the installed {installed}"):
        check_replacement(version(installed, publisher), version(new, publisher))


@pytest.mark.parametrize(
    ("installed", "new", "reason"),
    [
        (
            "aa",
            "bb",
            "A model of publisher b{16} would replace a model of publisher a{16} under the name 'ecg-anomaly'.",
        ),
        ("aa", "", "An unsigned model would replace a model of publisher a{16} under the name 'ecg-anomaly'."),
        ("", "aa", "A model of publisher a{16} would replace an unsigned model under the name 'ecg-anomaly'."),
    ],
)
def test_another_publishers_does_not_however_new(installed: str, new: str, reason: str) -> None:
    with pytest.raises(ReplacementRefused, match=reason) as caught:
        check_replacement(version("1.0.0", installed), version("9.0.0", new))
    assert caught.value.hint.endswith("meshd models remove ecg-anomaly")
