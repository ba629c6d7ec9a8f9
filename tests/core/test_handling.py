"""What requests take beyond their runs and ways is learned of whole requests, and decides where it is much."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.commands import ChoosePlan
from meshd.core.handling import LEAST_S, Handling
from meshd.core.ids import ArtifactHash
from meshd.core.mesh_view import MeshView
from meshd.core.scheduler import Scheduler
from tests.core.builders import answered, arrived, chosen, finished, request, scheduler, step
from tests.core.parts import best, cut_tier, member, mesh, seen, slower

A, B = ArtifactHash("a"), ArtifactHash("b")
MODEL = cut_tier((0.010, 0.010), (2_000,))
BAND, KITCHEN = member("band", slower(MODEL, 2)), member("kitchen", MODEL)


def weighed(view: MeshView) -> dict[str, tuple[float, float]]:
    """What handling is expected to take, and all of it, by place."""
    told = seen(view, request(input_bytes=400_000, deadline_s=60.0))
    return {c.place: (c.prediction.handling_s, c.prediction.total_s) for c in told.candidates if c.price}


def ran_here(made: Scheduler, *, until_s: float, number: int, began_s: float) -> None:
    """A request that ran here for 40 ms, and was there for longer."""
    step(made, arrived(f"r{number}", input_bytes=400_000, deadline_s=60.0, plan="band"), began_s)
    step(made, finished(number, None, name=f"r{number}", compute_s=0.040), began_s + until_s)


def test_a_millisecond_is_not_worth_remembering_and_what_was_remembered_may_become_less() -> None:
    handling = Handling()
    handling.learn(A, LEAST_S / 2, 0.0, is_split=False)
    assert (bool(handling), handling.seconds(A, is_split=False)) == (False, None)
    for second in range(40):
        handling.learn(A, 0.010 if second < 20 else 0.0, float(second), is_split=False)
    assert handling.seconds(A, is_split=False) == pytest.approx(0.0, abs=0.001)


def test_it_is_known_of_each_model_whole_and_split() -> None:
    handling = Handling()
    for second in range(20):
        handling.learn(A, 0.010, float(second), is_split=False)
        handling.learn(A, 0.020, float(second), is_split=True)
    assert [handling.seconds(A, is_split=split) for split in (False, True)] == pytest.approx([0.010, 0.020], rel=0.05)
    assert handling.seconds(B, is_split=False) is None


def test_one_request_that_met_a_pause_drives_nobody_away() -> None:
    handling = Handling()
    handling.learn(A, 5.0, 0.0, is_split=False)
    assert handling.seconds(A, is_split=False) == pytest.approx(0.0035)
    handling.learn(A, 0.0, 1.0, is_split=False)
    assert handling.seconds(A, is_split=False) == pytest.approx(0.0023, rel=0.1)


def test_it_is_forgotten_where_nothing_confirms_it() -> None:
    handling = Handling()
    handling.learn(A, 0.010, 0.0, is_split=False)
    for second in range(600):
        handling.forget(float(second))
    assert not handling


def test_what_a_request_took_beyond_its_run_is_expected_of_the_next_one_and_of_ways_that_nobody_tried() -> None:
    made = scheduler(BAND, KITCHEN)
    for number in range(1, 21):
        ran_here(made, until_s=0.055, number=number, began_s=float(number))
    told = weighed(made.view)
    assert {round(handling_s, 3) for handling_s, _ in told.values()} == {0.015}
    assert told["band"][1] == pytest.approx(0.055, rel=0.01)


def test_what_the_run_itself_took_is_not_counted_again() -> None:
    made = scheduler(BAND, KITCHEN)
    for number in range(1, 5):
        ran_here(made, until_s=0.040, number=number, began_s=float(number))
    assert not made.view.own.handling


def there(made: Scheduler, *, until_s: float = 0.300, beyond_s: float = 0.0, policy_s: float = 0.0) -> None:
    """A request that the kitchen answered, and says that it had for so long beyond its run."""
    (asked,) = made.handle(arrived(input_bytes=400_000, deadline_s=60.0, plan=""), 0.0)
    assert isinstance(asked, ChoosePlan)
    places = [candidate.place for candidate in asked.observation.candidates]
    step(made, chosen(asked, places.index("kitchen")), policy_s)
    reply = answered(1, KITCHEN)
    timings = replace(reply.answer.timings, total_s=reply.answer.timings.compute_s + beyond_s)
    step(made, replace(reply, answer=replace(reply.answer, timings=timings)), policy_s + until_s)


def handling_of_both(made: Scheduler) -> list[float | None]:
    peer = made.view.peer(KITCHEN.node_id)
    assert peer is not None
    return [node.handling.seconds(MODEL.artifact, is_split=False) for node in (made.view.own, peer)]


def test_what_peers_take_beyond_their_runs_is_learned_of_them() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made, beyond_s=0.005)
    assert handling_of_both(made) == [None, pytest.approx(0.003)]


def test_what_a_peer_does_not_name_is_the_links() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made)
    assert handling_of_both(made) == [None, None]


def test_how_long_this_node_took_to_choose_is_not_held_against_who_was_chosen() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made, policy_s=0.045)
    assert handling_of_both(made) == [None, None]


def test_it_decides_between_a_run_here_and_a_split_that_is_sooner_by_its_parts_alone() -> None:
    view = mesh(BAND, KITCHEN, bps=1e9)
    before = best(seen(view, request(input_bytes=4_000_000, deadline_s=60.0)))
    assert before.place == "band 0-1, kitchen 1-2"
    for second in range(20):
        view.learn_handling(KITCHEN.node_id, MODEL, 0.030, float(second), is_split=True)
        view.learn_handling(BAND.node_id, MODEL, 0.002, float(second), is_split=False)
        view.learn_handling(KITCHEN.node_id, MODEL, 0.030, float(second), is_split=False)
    after = best(seen(view, request(input_bytes=4_000_000, deadline_s=60.0)))
    assert after.place == "band"
    assert after.prediction.handling_s == pytest.approx(0.002, rel=0.05)
