from __future__ import annotations

from itertools import chain

from meshd.policy.layout import CANDIDATE, CONTEXT
from policies.study.feature_groups import GROUPS, STRUCTURE


def test_every_feature_is_in_one_group() -> None:
    grouped = [*chain.from_iterable(GROUPS.values()), *STRUCTURE]
    assert sorted(grouped) == sorted(feature.name for feature in (*CANDIDATE, *CONTEXT))
