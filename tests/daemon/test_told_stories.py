"""What a person is shown of requests that real daemons ran, by the commands' own views."""

from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType

from meshd.cli.view.explain_view import explain_view
from meshd.cli.view.result_view import result_view
from meshd.core.ids import ModelName
from meshd.core.request import Priority
from meshd.explain_document import ExplainDocument
from meshd.plan_document import PlanDocument, PlanQuestion
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member
from tests.daemon.parts import CUTTABLE, acquainted, part_member, question


async def band_and_kitchen(member: MakeMember, folder: Path) -> tuple[Member, Member]:
    band, kitchen = part_member(member, folder, "band"), part_member(member, folder, "kitchen")
    await acquainted(band, kitchen)
    return band, kitchen


def lines(shown: RenderableType) -> list[str]:
    """Return what is printed, blanks put together."""
    written = StringIO()
    Console(file=written, width=200).print(shown)
    return [" ".join(line.split()) for line in written.getvalue().splitlines()]


async def explained(member: Member) -> list[str]:
    return lines(explain_view(msgspec.convert(await member.client().query("explain"), ExplainDocument)))


async def test_shares_are_told_one_by_one_though_they_decide_nothing(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    await band.client().infer(question(4), model=CUTTABLE, plan="band x2, kitchen x2", request_id="r1")
    told = await explained(band)
    assert [line for line in told if line.startswith(("part", "decision"))] == [
        "decision 1 by the only way, 10.0 s left",
        "part 1 of 2",
        "part 2 of 2",
    ]
    assert [line.partition(" ")[0] for line in told if line.startswith("r1/")] == ["r1/0", "r1/1"]


async def test_both_runs_of_an_emergency_are_told(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    await band.client().infer(question(), model=CUTTABLE, priority="emergency", request_id="r1")
    told = await explained(band)
    assert [line for line in told if line.startswith("race")] == ["race: run 1 of 2", "race: run 2 of 2"]


async def test_plan_names_both_nodes_that_an_emergency_would_run_on(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    assert len(await taken(band, Priority.NORMAL)) == 1
    assert await taken(band, Priority.EMERGENCY) == {"band", "kitchen"}


async def taken(member: Member, priority: Priority) -> set[str]:
    """Return the places where a request would run at once."""
    question = PlanQuestion(model=ModelName(CUTTABLE), priority=priority)
    (look,) = msgspec.convert(await member.client().query("plan", **question.arguments), PlanDocument).looks
    return {look.ways[index].place for index in (look.chosen, look.rival) if index is not None}


async def test_the_route_joins_shares_by_a_plus_and_stages_by_an_arrow(member: MakeMember, tmp_path: Path) -> None:
    band, _ = await band_and_kitchen(member, tmp_path)
    shared = await band.client().infer(question(4), model=CUTTABLE, plan="band x2, kitchen x2")
    cut = await band.client().infer(question(4), model=CUTTABLE, plan="band 0-1, kitchen 1-3")
    told = [lines(result_view(result))[-2].partition(" · ")[0] for result in (shared, cut)]
    assert told == [
        "hub tier on band + hub tier on kitchen",
        "stages 0-1 of the hub tier on band → stages 1-3 of the hub tier on kitchen",
    ]
