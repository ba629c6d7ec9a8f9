import pytest
from msgspec.structs import replace
from rich.console import Console

pytest.importorskip("jinja2", reason="the package of the report needs the extra `convert`")

from model_registry.advice.recommendation import Wish
from model_registry.convert.report import table
from model_registry.convert.sweep import NotMade, Sweep
from tests.registry.convert.report.sweeps import EVALUATION, advised, sweep


def lines_of(swept: Sweep) -> list[str]:
    console = Console(width=100, color_system=None, highlight=False, markup=False)
    with console.capture() as shown:
        console.print(table(swept, ()))
    return [line.rstrip() for line in shown.get().splitlines()]


def test_the_reference_against_its_own_answers_has_no_figure_and_the_metric_is_named() -> None:
    cosines = [
        replace(
            each,
            variant=replace(
                each.variant,
                accuracy={"cosine": each.variant.accuracy["accuracy"]},
                evaluation=replace(EVALUATION, reference="parent"),
            ),
        )
        for each in sweep().made[:2]
    ]
    assert [line.split()[:6] for line in lines_of(sweep(made=tuple(cosines), metric="cosine"))[:3]] == [
        ["variant", "size", "cosine", "change", "median", "99"],
        ["fp32", "14.0", "MB", "—", "reference", "4.10"],
        ["slim", "13.6", "MB", "71.9", "%", "no"],
    ]


def test_a_reason_that_several_variants_share_is_told_once() -> None:
    quantised = tuple(NotMade(name=name, reason="The graph is quantised already.") for name in ("int8", "fp16"))
    assert "not made int8, fp16  The graph is quantised already." in lines_of(sweep(not_made=quantised))


def test_the_table_has_figures_advice_and_what_was_not_made_in_a_hundred_columns() -> None:
    console = Console(width=100, color_system=None, highlight=False, markup=False)
    with console.capture() as shown:
        console.print(table(sweep(), advised(sweep(), Wish(deadline_s=0.1))))
    lines = [line.rstrip() for line in shown.get().splitlines()]
    assert lines[:2] == [
        "variant          size  accuracy        change   median     99 %   memory    energy",
        "fp32          14.0 MB    71.9 %     reference  4.10 ms  5.33 ms   112 MB  ~8.20 mJ",
    ]
    assert "watch    none  No variant fits a watch. fp32 takes 510 ms, and the deadline is 100 ms." in lines
    assert "not made int4  The graph has no matrix product with constant weights to pack." in lines
    assert max(len(line) for line in lines) <= 100
