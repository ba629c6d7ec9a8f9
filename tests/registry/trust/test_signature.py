"""A signature is over one manifest, whole, and there is one way to spell it."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from model_registry.errors import ManifestError, NotCanonical, SignatureInvalid, SignatureUnchecked
from model_registry.manifest import Manifest, Signature, dumps, load, loads
from model_registry.trust.canonical import message
from model_registry.trust.signature import signed, verify
from model_registry.trust.signature_check import check
from model_registry.trust.signing_key import SigningKey
from tests.registry.manifests import VALID

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"a publisher's key, 32 bytes long"))
OTHER = SigningKey(Ed25519PrivateKey.from_private_bytes(b"another publisher's, 32 bytes too"[:32]))
FULL = signed(load(Path(__file__).parent / "vectors" / "manifest.toml"), KEY)
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's group: RFC 8032, section 5.1."""

Step = str | int


def signature_of(manifest: Manifest) -> Signature:
    assert manifest.signature
    return manifest.signature


# --------------------------------------------------------------------------------------------------- what holds


def test_what_was_signed_verifies_after_a_way_through_a_file() -> None:
    manifest = loads(dumps(signed(loads(VALID), KEY)))
    assert not manifest.unsigned
    assert signature_of(manifest).publisher == KEY.publisher
    verify(manifest)
    check(manifest)


def test_the_order_of_keys_comments_and_defaults_written_out_change_nothing() -> None:
    respelled = VALID.replace("[axes.batch]\nmax = 64", "axes.batch = { max = 0x40, min = 1 } # bounds")
    respelled = respelled.replace('summary = "Says whether', 'license = "Apache-2.0"\nsummary = "\\u0053ays whether')
    respelled = respelled.replace('license = "Apache-2.0"\ntask', "task").replace("low = 0.05", "low = 5e-2")
    respelled = respelled.replace('precision = "fp32"', 'precision = "fp32"\nformat = "onnx"\ncosts = []')
    body, _, axes = respelled.partition("axes.batch")
    line, _, rest = axes.partition("\n")
    respelled = f"axes.batch{line}\n{body}{rest}"
    assert message(loads(respelled)) == message(loads(VALID))


@pytest.mark.parametrize(("written", "meant"), [("-0.0", "0.0"), ("1", "1.0"), ("1_000.0", "1e3")])
def test_two_spellings_of_one_number_are_one(written: str, meant: str) -> None:
    spelled = [loads(VALID.replace("low = 0.05", f"low = {number}")) for number in (written, meant)]
    assert spelled[0] == spelled[1]
    assert message(spelled[0]) == message(spelled[1])


def test_signing_again_replaces_the_signature() -> None:
    assert signed(signed(loads(VALID), OTHER), KEY) == signed(loads(VALID), KEY)


# ------------------------------------------------------------------------------------------------- what breaks it


def leaves(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Yield where every value stands, tables and lists themselves included."""
    if path:
        yield path
    for step, inner in steps(value):
        yield from leaves(inner, (*path, step))


def steps(value: Any) -> list[tuple[Step, Any]]:
    match value:
        case msgspec.Struct():
            return [(name, getattr(value, name)) for name in value.__struct_fields__]
        case dict():
            return list(value.items())
        case tuple():
            return list(enumerate(value))
        case _:
            return []


def changed(value: Any, path: tuple[Step, ...], change: Callable[[Any], Any]) -> Any:
    """Return the value with another in one place, whether its form allows that or not."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if isinstance(value, tuple):
        return tuple(changed(item, rest, change) if index == step else item for index, item in enumerate(value))
    if isinstance(value, dict):
        return {key: changed(item, rest, change) if key == step else item for key, item in value.items()}
    return replace(value, **{str(step): changed(getattr(value, str(step)), rest, change)})


PATHS = [path for path in leaves(FULL) if path[0] != "signature"]


def others_like(value: Any) -> st.SearchStrategy[Any]:
    """Draw what a forger could put in a value's place: of its own type, of another, or nothing."""
    match value:
        case bool():
            own: st.SearchStrategy[Any] = st.booleans()
        case str():
            own = st.text(st.characters(exclude_categories=["Cs"])) | st.just(value + " ") | st.just(value.upper())
        case int():
            own = st.integers(-(2**60), 2**60)
        case float():
            own = st.floats()
        case dt.date():
            own = st.dates()
        case tuple():
            own = st.permutations(value).map(tuple) | st.just(value[1:]) | st.just(value + value[:1])
        case dict():
            own = st.just({}) | st.just({**value, "more": 1})
        case _:
            own = st.nothing()
    return own | st.none() | st.just("") | st.just(())


@given(st.data(), st.sampled_from(PATHS))
def test_any_change_of_any_value_breaks_the_signature(data: st.DataObject, path: tuple[Step, ...]) -> None:
    forged = changed(FULL, path, lambda value: data.draw(others_like(value)))
    assume(forged != FULL)
    with pytest.raises(SignatureInvalid):
        verify(forged)


def test_the_fuzz_reaches_every_key_of_the_form() -> None:
    assert {path[-1] for path in PATHS} >= {
        *("artifact", "pieces", "size_bytes", "hardware", "low", "high", "missed", "privacy", "license", "trained"),
        *("dtype", "shape", "min", "max", "p50_ms", "measured", "at_least", "records", "unsigned", "version", "name"),
    }


@given(st.binary(min_size=64, max_size=64))
def test_no_other_bytes_are_the_signature(value: bytes) -> None:
    assume(value.hex() != signature_of(FULL).value)
    with pytest.raises(SignatureInvalid):
        verify(replace(FULL, signature=replace(signature_of(FULL), value=value.hex())))


def test_a_flipped_bit_anywhere_in_signature_or_key_breaks_it() -> None:
    for key in ("publisher", "value"):
        content = bytes.fromhex(getattr(FULL.signature, key))
        for bit in range(len(content) * 8):
            flipped = (int.from_bytes(content) ^ (1 << bit)).to_bytes(len(content)).hex()
            with pytest.raises(SignatureInvalid):
                verify(replace(FULL, signature=replace(signature_of(FULL), **{key: flipped})))


def test_a_signature_moved_to_another_manifest_is_not_good() -> None:
    with pytest.raises(SignatureInvalid):
        verify(replace(loads(VALID), unsigned=False, signature=FULL.signature))


def test_a_signature_under_another_publishers_name_is_not_good() -> None:
    with pytest.raises(SignatureInvalid):
        verify(replace(FULL, signature=replace(signature_of(FULL), publisher=OTHER.publisher)))


def test_a_signature_over_the_bare_json_is_not_good() -> None:
    """A key that signs JSON for another purpose cannot be made to sign a manifest."""
    bare = KEY.sign(message(FULL).partition(b"\n")[2])
    with pytest.raises(SignatureInvalid):
        verify(replace(FULL, signature=replace(signature_of(FULL), value=bare)))


def test_the_other_encoding_of_a_signature_is_not_good() -> None:
    """S and S + L solve the same equation; RFC 8032, section 5.1.7, demands the smaller."""
    value = bytes.fromhex(signature_of(FULL).value)
    larger = int.from_bytes(value[32:], "little") + ORDER
    with pytest.raises(SignatureInvalid):
        verify(
            replace(
                FULL, signature=replace(signature_of(FULL), value=(value[:32] + larger.to_bytes(32, "little")).hex())
            )
        )


def test_a_key_under_which_everything_is_signed_is_no_key() -> None:
    neutral = b"\x01" + bytes(31)
    anything = neutral + bytes(32)
    Ed25519PublicKey.from_public_bytes(neutral).verify(anything, message(FULL))  # OpenSSL has nothing against it.
    with pytest.raises(SignatureInvalid, match="anybody can sign with"):
        verify(replace(FULL, signature=Signature(publisher=neutral.hex(), value=anything.hex())))


def test_a_manifest_without_a_signature_does_not_verify() -> None:
    with pytest.raises(SignatureInvalid, match="it carries none"):
        verify(loads(VALID))


def test_texts_that_look_alike_are_not_alike() -> None:
    composed = signed(loads(VALID.replace("Says whether", "S\u00e9es whether")), KEY)
    decomposed = replace(composed, summary=composed.summary.replace("\u00e9", "e\u0301"))
    with pytest.raises(SignatureInvalid):
        verify(decomposed)


# ------------------------------------------------------------------------------------------ what cannot be smuggled


def written_with(addition: str, *, after: str) -> str:
    text = dumps(signed(loads(VALID), KEY))
    assert after in text
    return text.replace(after, f"{after}\n{addition}", 1)


@pytest.mark.parametrize(
    ("addition", "after"),
    [
        ('algorithm = "none"', "[signature]"),
        ('comment = "trust me"', "[signature]"),
        ('publisher_name = "clinic"', "schema = 1"),
        ('file = "artifacts/other.onnx"', "[[tiers.outputs]]"),
        ("unsigned = true", "schema = 1"),
        ('privacy = "public"', 'privacy = "household"'),
        (f'publisher = "{OTHER.publisher}"', f'publisher = "{KEY.publisher}"'),
        ("[signature.extra]\nwho = 1", "[signature]"),
    ],
)
def test_nothing_can_be_put_beside_what_is_signed(addition: str, after: str) -> None:
    with pytest.raises(ManifestError):
        loads(written_with(addition, after=after))


@given(st.text(min_size=1, max_size=12), st.sampled_from(["", "signature", "lifecycle"]))
def test_no_key_of_any_name_can_be_added(name: str, table: str) -> None:
    tables = msgspec.to_builtins(signed(loads(VALID), KEY), builtin_types=(dt.date,))
    place = tables[table] if table else tables
    form: type[Any] = {"": Manifest, "signature": Signature}.get(table, type(FULL.lifecycle))
    assume(name not in {field.encode_name for field in msgspec.structs.fields(form)})
    place[name] = 1
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(tables, Manifest)


@pytest.mark.parametrize(
    "respelled",
    [
        lambda value: value.upper(),
        lambda value: f"{value}\n",
        lambda value: f" {value}",
        lambda value: value[:-2],
        lambda value: f"{value}00",
    ],
)
def test_a_signature_and_a_key_are_spelled_in_one_way(respelled: Callable[[str], str]) -> None:
    for key in ("publisher", "value"):
        tables = msgspec.to_builtins(FULL, builtin_types=(dt.date,))
        tables["signature"][key] = respelled(tables["signature"][key])
        with pytest.raises(msgspec.ValidationError, match=key):
            msgspec.convert(tables, Manifest)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("key", ["low", "p50_ms", "auroc", "at_least", "missed", "expected_rate"])
def test_no_number_without_a_form_in_json_gets_into_a_manifest(key: str, number: str) -> None:
    line = next(line for line in VALID.splitlines() if line.startswith(f"{key} = "))
    with pytest.raises(ManifestError):
        loads(VALID.replace(line, f"{key} = {number}", 1))


@pytest.mark.parametrize("key", ["size_bytes", "macs", "positives"])
def test_no_whole_number_that_json_rounds_gets_into_a_manifest(key: str) -> None:
    line = next(line for line in VALID.splitlines() if line.startswith(f"{key} = "))
    with pytest.raises(ManifestError):
        loads(VALID.replace(line, f"{key} = {2**53}", 1))


def test_a_manifest_that_was_not_read_from_a_file_and_has_no_exact_form_is_not_signed() -> None:
    broken = changed(FULL, ("tiers", 0, "alarm", "at_least"), lambda _: float("nan"))
    with pytest.raises(NotCanonical, match="cannot be signed"):
        signed(broken, KEY)


# ------------------------------------------------------------------------------------------- in a process of its own


def test_the_check_apart_says_the_same() -> None:
    changed_one = replace(signed(loads(VALID), KEY), privacy="public")
    with pytest.raises(SignatureInvalid) as caught:
        check(changed_one)
    assert caught.value.problem == f"it is not {KEY.publisher[:16]}'s over this manifest"


def test_a_check_that_cannot_be_made_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(SignatureUnchecked, match="could not be checked"):
        check(FULL)
