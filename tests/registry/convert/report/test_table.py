import pytest
from rich.console import Console

pytest.importorskip("jinja2", reason="the package of the report needs the extra `convert`")

from model_registry.advice.recommendation import Wish
from model_registry.convert.report import table
from tests.registry.convert.report.sweeps import advised, sweep


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
