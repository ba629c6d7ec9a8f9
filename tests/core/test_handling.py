"""What ways take is learned of whole requests, by where they were cut and where they ended, and decides."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.commands import ChoosePlan
from meshd.core.handling import LEAST_S, Cuts, Handling, Taken
from meshd.core.ids import ArtifactHash
from meshd.core.mesh_view import MeshView
from meshd.core.scheduler import Scheduler
from tests.core.builders import answered, arrived, chosen, finished, request, scheduler, step
from tests.core.parts import best, cut_tier, member, mesh, seen, slower

A, B = ArtifactHash("a"), ArtifactHash("b")
WHOLE, FIRST, SECOND = (), (1,), (2,)
SIZE = 400_000
MODEL = cut_tier((0.010, 0.010), (2_000,))
BAND, KITCHEN = member("band", slower(MODEL, 2)), member("kitchen", MODEL)


def taught(
    handling: Handling, cuts: Cuts, took_s: float, parts_s: float = 0.020, *, times: int = 30, n_bytes: float = SIZE
) -> None:
    for second in range(times):
        handling.learn(request_of(cuts, took_s, parts_s, n_bytes=n_bytes), float(second))


def request_of(
    cuts: Cuts, took_s: float, parts_s: float = 0.020, *, n_bytes: float = SIZE, artifact: ArtifactHash = A
) -> Taken:
    return Taken(artifact=artifact, cuts=cuts, n_bytes=n_bytes, parts_s=parts_s, beyond_s=0.0, took_s=took_s)


def expected_s(handling: Handling, cuts: Cuts, parts_s: float = 0.020, n_bytes: float = SIZE) -> float:
    beyond_s = handling.beyond_s(A, cuts, n_bytes, parts_s)
    assert beyond_s is not None, "something like it is known"
    return parts_s + beyond_s


def test_a_millisecond_is_not_worth_remembering_and_what_was_remembered_may_become_less() -> None:
    handling = Handling()
    taught(handling, WHOLE, 0.020 + LEAST_S / 2)
    assert (handling.is_known, handling.beyond_s(A, WHOLE, SIZE, 0.020)) == (False, None)
    taught(handling, WHOLE, 0.030)
    taught(handling, WHOLE, 0.020)
    assert expected_s(handling, WHOLE) == pytest.approx(0.020, rel=0.01)


def test_it_is_known_of_each_model_by_where_it_is_cut() -> None:
    handling = Handling()
    for cuts, took_s in ((WHOLE, 0.022), (FIRST, 0.024), (SECOND, 0.035)):
        taught(handling, cuts, took_s)
    assert [expected_s(handling, cuts) for cuts in (WHOLE, FIRST, SECOND)] == pytest.approx(
        [0.022, 0.024, 0.035], rel=0.01
    )
    assert handling.beyond_s(B, WHOLE, SIZE, 0.020) is None


def test_a_way_that_takes_less_than_its_parts_is_expected_to() -> None:
    handling = Handling()
    taught(handling, FIRST, 0.015)
    assert expected_s(handling, FIRST) == pytest.approx(0.015, rel=0.01)


def test_what_parts_are_believed_to_take_goes_up_and_down_by_half_while_a_way_takes_what_it_took() -> None:
    handling = Handling()
    taught(handling, FIRST, 0.025)
    assert [expected_s(handling, FIRST, parts_s) for parts_s in (0.011, 0.020, 0.039)] == pytest.approx(
        [0.025] * 3, rel=0.01
    )


def test_what_a_way_took_says_nothing_any_more_once_its_parts_take_more_than_twice_as_long_or_less_than_half() -> None:
    handling = Handling()
    taught(handling, FIRST, 0.025)
    assert [expected_s(handling, FIRST, parts_s) for parts_s in (0.008, 0.200)] == pytest.approx(
        [0.013, 0.205], rel=0.01
    )
    handling.learn(request_of(FIRST, 0.220, 0.200), 30.0)
    assert expected_s(handling, FIRST, 0.200) == pytest.approx(0.2125, rel=0.01)


def test_of_ways_that_nobody_took_it_is_expected_what_others_of_the_kind_take_beyond_their_parts() -> None:
    handling = Handling()
    taught(handling, WHOLE, 0.022)
    taught(handling, FIRST, 0.026)
    assert expected_s(handling, SECOND, 0.100) == pytest.approx(0.106, rel=0.01)
    assert expected_s(handling, WHOLE, 0.100) == pytest.approx(0.102, rel=0.01)
    taught(handling, FIRST, 0.005)
    assert expected_s(handling, SECOND, 0.002) == pytest.approx(0.001), "half of its parts, at least"


def test_inputs_of_other_lengths_are_known_by_themselves() -> None:
    handling = Handling()
    taught(handling, WHOLE, 0.022)
    taught(handling, WHOLE, 0.034, 0.030, n_bytes=1.5 * SIZE)
    assert expected_s(handling, WHOLE) == pytest.approx(0.022, rel=0.01)
    assert expected_s(handling, WHOLE, 0.030, n_bytes=1.5 * SIZE) == pytest.approx(0.034, rel=0.01)


def test_one_request_that_met_a_pause_drives_nobody_away() -> None:
    handling = Handling()
    handling.learn(request_of(WHOLE, 5.0, 0.020), 0.0)
    assert expected_s(handling, WHOLE) == pytest.approx(0.030)
    taught(handling, WHOLE, 0.020)
    handling.learn(request_of(WHOLE, 5.0, 0.020), 30.0)
    assert expected_s(handling, WHOLE) == pytest.approx(0.024, rel=0.01)


def test_of_requests_that_others_were_under_way_with_only_what_no_part_names_counts_and_for_their_kind_alone() -> None:
    handling = Handling()
    taught(handling, FIRST, 0.025)
    crowded = replace(request_of(SECOND, 0.0), beyond_s=0.007, took_s=None)
    for second in range(30, 60):
        handling.learn(replace(crowded, cuts=FIRST), float(second))
        handling.learn(crowded, float(second))
    assert expected_s(handling, FIRST) == pytest.approx(0.025, rel=0.01)
    assert expected_s(handling, SECOND) == pytest.approx(0.027, rel=0.01)


def test_it_is_forgotten_where_nothing_confirms_it() -> None:
    handling = Handling()
    taught(handling, WHOLE, 0.030, times=1)
    before_s = expected_s(handling, WHOLE)
    for second in range(150):
        handling.forget(float(second))
    assert 0.020 < expected_s(handling, WHOLE) < before_s
    for second in range(150, 600):
        handling.forget(float(second))
    assert not handling.is_known


def weighed(view: MeshView) -> dict[str, tuple[float, float]]:
    """What handling is expected to take, and all of it, by place."""
    told = seen(view, request(input_bytes=SIZE, deadline_s=60.0))
    return {c.place: (c.prediction.handling_s, c.prediction.total_s) for c in told.candidates if c.price}


def ran_here(made: Scheduler, *, until_s: float, number: int, began_s: float) -> None:
    """A request that ran here for 40 ms, and was there for longer."""
    step(made, arrived(f"r{number}", input_bytes=SIZE, deadline_s=60.0, plan="band"), began_s)
    step(made, finished(number, None, name=f"r{number}", compute_s=0.040), began_s + until_s)


def test_what_a_request_took_beyond_its_run_is_expected_of_the_next_one_and_of_ways_that_nobody_tried() -> None:
    made = scheduler(BAND, KITCHEN)
    for number in range(1, 41):
        ran_here(made, until_s=0.055, number=number, began_s=0.06 * number)
    told = weighed(made.view)
    assert {place: round(handling_s, 3) for place, (handling_s, _) in told.items()} == dict.fromkeys(
        ("band", "kitchen", "band 0-1, kitchen 1-2"), 0.015
    )
    assert told["band"][1] == pytest.approx(0.055, rel=0.01)


def test_what_whole_runs_here_took_altogether_says_nothing_of_a_peer_that_is_quicker() -> None:
    made = scheduler(BAND, KITCHEN)
    for number in range(1, 41):
        made.view.link_to(KITCHEN.node_id).measured(SIZE, 0.010, 0.06 * number)
        ran_here(made, until_s=0.055, number=number, began_s=0.06 * number)
    assert weighed(made.view)["kitchen"] == pytest.approx((0.015, 0.045), rel=0.05)


def test_inputs_of_two_lengths_in_turns_are_no_news() -> None:
    view = mesh(BAND, KITCHEN)
    both = (request_of(WHOLE, 0.022), request_of(WHOLE, 0.060, 0.030, n_bytes=1.5 * SIZE))
    versions = set()
    for second in range(60):
        for taken in both:
            view.learn_handling(KITCHEN.node_id, taken, float(second))
        if second >= 40:
            versions.add(view.versions(60.0))
    assert len(versions) == 1


def test_what_the_run_itself_took_is_not_counted_again() -> None:
    made = scheduler(BAND, KITCHEN)
    for number in range(1, 5):
        ran_here(made, until_s=0.040, number=number, began_s=float(number))
    assert not made.view.own.handling.is_known


def test_requests_that_are_under_way_together_tell_nothing_of_what_their_way_takes_as_a_whole() -> None:
    made = scheduler(BAND, KITCHEN)
    asked = {"input_bytes": SIZE, "deadline_s": 60.0, "plan": "band"}
    step(made, arrived("r1", **asked), 0.0)
    step(made, arrived("r2", **asked), 0.010)
    step(made, finished(1, None, name="r1", compute_s=0.040), 0.055)
    step(made, finished(2, None, name="r2", compute_s=0.040), 0.200)
    known = [made.view.own.handling.beyond_s(MODEL.artifact, WHOLE, SIZE, parts_s) for parts_s in (0.040, 0.050)]
    assert known[0] is not None
    assert known == [pytest.approx(known[0])] * 2, "of a way it would be less for longer parts"


def there(
    made: Scheduler, *, until_s: float = 0.300, beyond_s: float = 0.0, policy_s: float = 0.0, is_measured: bool = True
) -> None:
    """A request that the kitchen answered, and says that it had for so long beyond its run."""
    if is_measured:
        made.view.link_to(KITCHEN.node_id).measured(SIZE, 0.280, 0.0)
    (asked,) = made.handle(arrived(input_bytes=SIZE, deadline_s=60.0, plan=""), 0.0)
    assert isinstance(asked, ChoosePlan)
    places = [candidate.place for candidate in asked.observation.candidates]
    step(made, chosen(asked, places.index("kitchen")), policy_s)
    reply = answered(1, KITCHEN)
    timings = replace(reply.answer.timings, total_s=reply.answer.timings.compute_s + beyond_s)
    step(made, replace(reply, answer=replace(reply.answer, timings=timings)), policy_s + until_s)


def beyond_whole_s(made: Scheduler) -> list[float | None]:
    """What whole runs here and there are known to take beyond 300 ms on their parts."""
    peer = made.view.peer(KITCHEN.node_id)
    assert peer is not None
    return [node.handling.beyond_s(MODEL.artifact, WHOLE, SIZE, 0.300) for node in (made.view.own, peer)]


def test_what_ways_to_peers_take_beyond_their_parts_is_learned_of_the_peers() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made, until_s=0.320, beyond_s=0.015)
    assert beyond_whole_s(made) == [None, pytest.approx(0.010)], "half of what it was, at first"


def test_what_took_as_long_as_its_parts_teaches_nothing() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made)
    assert beyond_whole_s(made) == [None, None]


def test_over_a_link_that_was_not_measured_nothing_is_learned_of_what_is_no_part() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made, until_s=0.900, is_measured=False)
    assert beyond_whole_s(made) == [None, None]


def test_how_long_this_node_took_to_choose_is_not_held_against_who_was_chosen() -> None:
    made = scheduler(BAND, KITCHEN)
    there(made, policy_s=0.045)
    assert beyond_whole_s(made) == [None, None]


def test_it_decides_between_a_run_here_and_a_split_that_is_sooner_by_its_parts_alone() -> None:
    view = mesh(BAND, KITCHEN, bps=1e9)
    asked = request(input_bytes=4_000_000, deadline_s=60.0)
    before = best(seen(view, asked))
    assert before.place == "band 0-1, kitchen 1-2"
    split_s = before.prediction.total_s
    for second in range(20):
        slow = request_of(FIRST, split_s + 0.020, split_s, n_bytes=4e6, artifact=MODEL.artifact)
        view.learn_handling(KITCHEN.node_id, slow, float(second))
    after = best(seen(view, asked))
    assert (after.place, after.prediction.handling_s) == ("band", 0.0)


def test_a_cut_that_takes_more_than_its_parts_gives_way_to_the_next_one_with_the_same_peer() -> None:
    model = cut_tier((0.001, 0.001, 0.030), (2_000, 2_000))
    kitchen = member("kitchen", model)
    view = mesh(member("band", slower(model, 4)), kitchen, bps=1e8)
    asked = request(input_bytes=SIZE, deadline_s=60.0)
    before = best(seen(view, asked))
    assert before.place == "band 0-1, kitchen 1-3"
    parts_s = before.prediction.total_s
    for second in range(20):
        for cuts, took_s in ((FIRST, parts_s + 0.020), (SECOND, parts_s + 0.004)):
            view.learn_handling(
                kitchen.node_id, request_of(cuts, took_s, parts_s, artifact=model.artifact), float(second)
            )
    assert best(seen(view, asked)).place == "band 0-2, kitchen 2-3"
