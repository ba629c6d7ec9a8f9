from __future__ import annotations

from itertools import chain

from meshd.policy.layout import CANDIDATE, CONTEXT
from policies.study.feature_groups import GROUPS

ROWS = ("is_allowed", "is_wait")
"""What says which rows there are."""


def test_every_other_feature_is_in_one_group() -> None:
    grouped = [*chain.from_iterable(GROUPS.values()), *ROWS]
    assert sorted(grouped) == sorted(feature.name for feature in (*CANDIDATE, *CONTEXT))
