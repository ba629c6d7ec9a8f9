from itertools import groupby

import pytest
from msgspec.structs import replace

from meshd.core.candidate import Prediction
from meshd.policy import layout
from meshd.policy.layout import CANDIDATE, CONTEXT, Bend, block, column, context_column, layout_hash


@pytest.mark.parametrize("table", [CANDIDATE, CONTEXT], ids=["candidate", "context"])
def test_names_are_single_and_columns_of_one_bend_stand_together(table: tuple[layout.Feature, ...]) -> None:
    assert len({feature.name for feature in table}) == len(table)
    bends = [bend for bend, _ in groupby(feature.bend for feature in table)]
    assert len(bends) == len(set(bends))
    assert [feature.bend for bend in Bend for feature in table[block(table, bend)]] == [
        bend for bend in Bend for feature in table if feature.bend is bend
    ]


def test_the_table_begins_with_what_is_predicted_in_the_order_of_its_struct() -> None:
    shown = [feature.name for feature in CANDIDATE[: column("total_s")]]
    fields = ["cost_joules" if name == "cost" else name for name in Prediction.__struct_fields__]
    assert (shown, fields[len(shown) :]) == (fields[: len(shown)], ["load_joules"]), "which is part of weighted_joules"


def test_a_column_is_found_by_its_name() -> None:
    assert CANDIDATE[column("slack_s")].name == "slack_s"
    assert CONTEXT[context_column("may_wait")].name == "may_wait"
    with pytest.raises(ValueError, match="is not in list"):
        column("may_wait")


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"unit": 2.0}, {"bend": Bend.SIGNED}, {"most": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_the_table_changes_its_hash(change: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    before = layout_hash()
    monkeypatch.setattr(layout, "CONTEXT", (*CONTEXT[:-1], replace(CONTEXT[-1], **change)))
    assert layout_hash() != before
