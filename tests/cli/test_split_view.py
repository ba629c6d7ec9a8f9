"""What a person is told of places: figures, and honestly whether a split will ever pay."""

import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

import dataclasses
from typing import Any

from msgspec.structs import replace
from rich.console import Console

from meshd.cli.view.split_view import split_view
from meshd.cli.view.words import OPEN_CUT
from model_registry.encoding import Encoding
from model_registry.partition.bundle_splitting import Outcome
from model_registry.partition.proof import Timed
from tests.registry.partition.bundles import split, write
from tests.registry.partition.test_bundle_splitting import net


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("split") / "net"
    write(folder, {"plain": net()})
    return split(folder)


def shown(outcome: Outcome, *, both_ms: float, **cut: Any) -> str:
    """Return the page of an outcome whose places all take so long, of ten, and are changed like that."""
    (divided,) = outcome.divided
    found = divided.variant.split
    assert found is not None
    cuts = tuple(replace(each, **cut) for each in found.cuts)
    timed = tuple(Timed(head_ms=both_ms - 4, tail_ms=4, whole_ms=10) for _ in cuts)
    changed = dataclasses.replace(
        divided,
        variant=replace(divided.variant, split=replace(found, cuts=cuts)),
        parts=dataclasses.replace(divided.parts, timed=timed),
    )
    console = Console(width=160, color_system=None, highlight=False)
    with console.capture() as page:
        console.print(split_view(dataclasses.replace(outcome, divided=(changed,))))
    return page.get()


def test_times_and_work_stand_in_a_row(outcome: Outcome) -> None:
    page = shown(outcome, both_ms=10.3, work=0.25)

    assert "25.0 %" in page
    assert "6.30 ms" in page
    assert "4.00 ms" in page
    assert "1.03 x" in page
    assert "the same bits" in page


def test_a_difference_is_told_with_how_often_it_matters(outcome: Outcome) -> None:
    assert "3e-06, 99.8 % alike" in shown(outcome, both_ms=10, error=3e-6, agreement=0.998)


def test_a_narrow_place_may_pay_over_the_links_that_are_named(outcome: Outcome) -> None:
    (given,) = outcome.manifest.inputs
    large = replace(outcome.manifest, inputs=(replace(given, shape=("batch", 1_000_000)),))
    page = shown(dataclasses.replace(outcome, manifest=large), both_ms=10, encodings=())
    assert "From a device 10 times slower than this one a split can pay over links between" in page


def test_a_small_input_hardly_ever_pays_though_less_of_it_crosses(outcome: Outcome) -> None:
    assert "The least that crosses is 0.12 times the input: for single requests a split hardly ever pays" in (
        " ".join(shown(outcome, both_ms=10, encodings=()).split())
    )


def test_a_place_before_every_layer_says_that_the_input_shows(outcome: Outcome) -> None:
    assert OPEN_CUT in " ".join(shown(outcome, both_ms=10, depth=0).split())
    assert OPEN_CUT not in " ".join(shown(outcome, both_ms=10, depth=2).split())


def test_it_is_said_where_a_split_hardly_ever_pays(outcome: Outcome) -> None:
    given = outcome.manifest.inputs[0]
    tensors = (given, replace(given, name="other"))

    page = shown(outcome, both_ms=10, tensors=tensors, encodings=())

    assert "hardly ever pays" in page


def test_a_tenth_less_than_the_input_is_not_enough(outcome: Outcome) -> None:
    page = shown(outcome, both_ms=10, tensors=outcome.manifest.inputs, encodings=())

    assert "The least that crosses is 1 times the input" in page


def test_it_is_said_where_a_model_is_too_small(outcome: Outcome) -> None:
    assert "Both parts take 1.8 times what the whole takes" in shown(outcome, both_ms=18)


def test_lossless_is_said_of_codecs_that_give_every_bit_back_and_of_no_others(outcome: Outcome) -> None:
    found = (
        Encoding(codec="uint8", ratio=0.25, scale=(0.1,)),
        Encoding(codec="fp16", ratio=0.5),
        Encoding(codec="int8", ratio=0.26, error=0.004),
    )
    told = "uint8 0.25 (lossless), fp16 0.50 (no answer changed here), int8 0.26 (4e-03)"
    assert told in " ".join(shown(outcome, both_ms=10, encodings=found).split())
