"""What a manifest says of an encoding is what an encoder can follow."""

import pytest

from model_registry.encoding import Encoding
from model_registry.errors import ManifestError
from model_registry.manifest import dumps, loads
from tests.registry.manifests import VALID


@pytest.mark.parametrize(
    ("encoding", "problem"),
    [
        (Encoding(codec="uint8", ratio=0.25), "uint8 needs the scale of its grid."),
        (Encoding(codec="jpeg", ratio=0.1), "jpeg needs a quality."),
        (Encoding(codec="uint8", ratio=0.25, scale=(1, 2, 3)), "3 scales need the axis of their channels."),
        (Encoding(codec="uint8", ratio=0.25, scale=(1,), zero=(0, 1)), "1 scales stand beside 2 zeros."),
    ],
    ids=["no grid", "no quality", "no axis", "too many zeros"],
)
def test_an_encoding_that_no_encoder_could_follow_is_a_flaw(encoding: Encoding, problem: str) -> None:
    assert [flaw.problem for flaw in encoding.flaws()] == [problem]


@pytest.mark.parametrize(
    "encoding",
    [
        Encoding(codec="uint8", ratio=0.25, scale=(0.1,), zero=(-3.5,)),
        Encoding(codec="uint8", ratio=0.25, scale=(0.1, 0.2, 0.3), axis=1),
        Encoding(codec="jpeg", ratio=0.1, quality=90),
        Encoding(codec="flac", ratio=0.4),
        Encoding(codec="int8", ratio=0.26),
    ],
    ids=lambda encoding: encoding.codec,
)
def test_an_encoding_that_says_enough_has_no_flaw(encoding: Encoding) -> None:
    assert list(encoding.flaws()) == []


DECLARED = """
[[inputs.encodings]]
codec = "uint8"
ratio = 0.25
scale = [0.0171, 0.0175, 0.0174]
zero = [123.675, 116.28, 103.53]
axis = 1

[[tiers]]
"""


def test_a_manifest_keeps_the_encodings_of_its_inputs() -> None:
    manifest = loads(VALID.replace("[[tiers]]", DECLARED, 1))
    assert manifest.inputs[0].encodings == (
        Encoding(codec="uint8", ratio=0.25, scale=(0.0171, 0.0175, 0.0174), zero=(123.675, 116.28, 103.53), axis=1),
    )
    assert loads(dumps(manifest)) == manifest


def test_a_manifest_with_an_encoding_that_no_encoder_could_follow_is_refused_at_its_line() -> None:
    text = VALID.replace("[[tiers]]", DECLARED.replace("axis = 1", ""), 1)
    with pytest.raises(ManifestError, match="3 scales need the axis") as caught:
        loads(text)
    assert caught.value.line == 1 + text.splitlines().index("scale = [0.0171, 0.0175, 0.0174]")
