"""One request over several nodes: the same bits as on one, whatever becomes of the others meanwhile."""

from pathlib import Path

import numpy as np
import pytest

from meshd.client.result import Result
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member
from tests.daemon.parts import CUTTABLE, acquainted, answer_to, part_member, question


async def band_and_kitchen(member: MakeMember, folder: Path) -> tuple[Member, Member]:
    band, kitchen = part_member(member, folder, "band"), part_member(member, folder, "kitchen")
    await acquainted(band, kitchen)
    return band, kitchen


def check_answer(result: Result, items: int = 1) -> None:
    expected = answer_to(question(items))
    assert sorted(result.outputs) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(result.outputs[name], array)


def route(result: Result) -> list[tuple[str, tuple[int, int] | None]]:
    return [(hop.node, hop.stages) for hop in result.route]


@pytest.mark.parametrize("place", [1, 2])
async def test_a_head_here_and_a_tail_there_answer_as_the_whole_does(
    member: MakeMember, tmp_path: Path, place: int
) -> None:
    band, kitchen = await band_and_kitchen(member, tmp_path)
    result = await band.client().infer(
        question(4), model=CUTTABLE, plan=f"band 0-{place}, kitchen {place}-3", privacy="household"
    )
    check_answer(result, 4)
    assert route(result) == [("band", (0, place)), ("kitchen", (place, 3))]
    assert [m.partial is not None for m in kitchen.asked_by_peers()] == [True]
