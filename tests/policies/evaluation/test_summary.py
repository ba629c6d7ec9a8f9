from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from msgspec.structs import replace

from meshd.policy.served import SHIPPED_PATH
from policies.evaluation.contender import Contender
from policies.evaluation.counterfactual import Pair
from policies.evaluation.network import Network
from policies.evaluation.outcome import Outcome
from policies.evaluation.result import Result, result_of
from policies.evaluation.summary import Closed, Difference, Row, difference, figures, gap_closed
from policies.evaluation.table import cells, families_table, gap_told, judged, paired_table, tables, training_sheets


def outcome(policy: str, seed: int, cost: float, family: str = "home") -> Outcome:
    """A world of ten requests that cost the same each."""
    return Outcome(
        policy=policy,
        family=family,
        seed=seed,
        n_arrivals=10,
        cost=cost,
        seconds=(0.1, 0.2, 0.3),
        n_ended=10,
        n_missed=1,
        n_hidden=0,
        joules={"watch": 2.0},
        battery_hours={"watch": 12.0},
        costs=dict.fromkeys(range(10), cost / 10),
    )


def test_a_policy_that_gains_the_same_on_every_world_gains_it_for_certain_however_worlds_differ() -> None:
    theirs = {seed: outcome("a", seed, 10.0 * (seed + 1)) for seed in range(5)}
    ours = {seed: outcome("b", seed, one.cost - 1.0) for seed, one in theirs.items()}
    gained = difference([ours], [theirs])
    assert (gained.difference, gained.low, gained.high) == pytest.approx((0.1, 0.1, 0.1))


def test_nobody_knows_how_certain_a_figure_is_of_which_a_family_has_a_single_world() -> None:
    few = {seed: outcome("provident", seed, 10.0 + seed) for seed in range(2)}
    one = {0: outcome("provident", 0, 10.0, "garden")}
    assert figures([few], None).ci95 == pytest.approx((-1.1, -1.0))
    assert figures([few, one], None).ci95 is None
    assert difference([one], [one]) == Difference(difference=0.0, low=None, high=None)


def test_what_is_not_certain_is_not_told_as_if_it_were() -> None:
    result = result_of([outcome("provident", 0, 10.0), outcome("mine", 0, 9.0)], "mine", "a command")
    assert cells(result.overall.policies["mine"])[:2] == ["-0.9000", "n/a"]
    row = [cell for column in paired_table(result).columns for cell in column.cells]
    assert row == ["provident", "+0.1000", "n/a", "+10.0%"]


def test_the_slowest_in_the_foreground_are_told_apart_from_those_that_may_wait() -> None:
    played = replace(outcome("a", 0, 10.0), seconds=(0.1, 0.1, 9.0), foreground_seconds=(0.1, 0.1))
    one = figures([{0: played}], None)
    assert (one.p99_ms, one.p99_foreground_ms) == pytest.approx((8822.0, 100.0))
    assert cells(one)[4:6] == ["8822", "100"]
    nobody = figures([{0: replace(played, foreground_seconds=())}], None)
    assert (nobody.p99_foreground_ms, cells(nobody)[5]) == (None, "")


def test_families_weigh_alike_however_many_worlds_they_have() -> None:
    many = {seed: outcome("a", seed, 10.0) for seed in range(9)}
    few = {0: outcome("a", 0, 30.0)}
    assert figures([many, few], None).reward == pytest.approx(-2.0)


def test_a_request_is_worse_than_by_the_single_nodes_way_only_beyond_the_margin() -> None:
    pairs = (Pair(1.10, 1.0), Pair(1.12, 1.0), Pair(0.001, 0.0), Pair(0.5, 9.0))
    one = figures([{0: replace(outcome("a", 0, 10.0), beside_single=pairs)}], None)
    assert (one.worse_than_single, one.n_beside_single) == (0.25, 4)


def test_nothing_is_told_of_the_single_nodes_way_where_no_request_was_looked_at() -> None:
    one = figures([{0: outcome("a", 0, 10.0)}], None)
    assert (one.worse_than_single, one.n_beside_single) == (None, 0)


def test_a_request_is_worse_than_in_the_single_nodes_world_only_beyond_the_margin() -> None:
    single = {0: outcome("best-single-node", 0, 10.0)}
    ours = outcome("a", 0, 10.0)
    dearer = replace(ours, costs={**ours.costs, 0: 1.10, 1: 1.12})
    assert figures([{0: dearer}], [single]).worse_than_single_world == pytest.approx(0.1)


def test_the_gap_is_measured_on_the_worlds_that_were_planned() -> None:
    best = {seed: outcome("a", seed, 10.0) for seed in range(4)}
    ours = {seed: outcome("b", seed, 9.0 if seed < 2 else 99.0) for seed in range(4)}
    planned = {seed: outcome("planner", seed, 6.0) for seed in range(2)}
    share, ci95 = gap_closed([ours], [best], [planned])
    assert share == pytest.approx(0.25)
    assert ci95 == pytest.approx((0.25, 0.25))


def row(policy: str, *costs: float, family: str = "home") -> Row:
    return {seed: outcome(policy, seed, cost, family) for seed, cost in enumerate(costs)}


def test_how_much_of_the_gap_is_closed_is_as_sure_as_the_same_share_of_worlds_drawn_again() -> None:
    best, planned = row("a", 10.0, 10.0), row("planner", 6.0, 8.0)
    ours = row("b", 9.0, 10.0)
    share, ci95 = gap_closed([ours], [best], [planned])
    assert share == pytest.approx(1.0 / 6.0), "a ratio of means, and no mean of ratios"
    assert ci95 == pytest.approx((0.0, 0.25)), "either world twice"
    two = gap_closed([ours, ours], [best, best], [planned, planned])
    assert two.share == pytest.approx(share), "families weigh alike"


def test_a_gap_that_may_as_well_be_none_has_no_interval_of_how_much_of_it_is_closed() -> None:
    best, ours = row("a", 10.0, 10.0), row("b", 9.5, 9.5)
    share, ci95 = gap_closed([ours], [best], [row("planner", 8.0, 10.0)])
    assert share == pytest.approx(0.5)
    assert ci95 is None
    assert gap_closed([ours], [best], [row("planner", 9.0, 12.0)]) == Closed(share=None, ci95=None)
    assert gap_closed([row("b", 9.5)], [row("a", 10.0)], [row("planner", 9.0)]).ci95 is None, "of one world"


def test_worlds_drawn_again_in_which_the_planner_is_not_ahead_are_left_out_where_they_are_few() -> None:
    best, planned = row("a", *(10.0,) * 6), row("planner", 11.0, *(6.0,) * 5)
    share, ci95 = gap_closed([row("b", *(9.0,) * 6)], [best], [planned])
    assert share == pytest.approx(6.0 / 19.0)
    assert share is not None
    assert ci95 is not None
    assert ci95[0] == pytest.approx(0.25), "all six that it is ahead in"
    assert share < ci95[1] < float("inf")


def test_trainings_are_held_against_each_baseline_each_and_on_average() -> None:
    rule, other = row("provident", 10.0, 10.0), row("linucb", 11.0, 11.0)
    first, second = row("shipped", 9.0, 8.0), row("second.onnx", 10.0, 9.0)
    played = [one for of in (rule, other, first, second) for one in of.values()]
    networks = {
        name: Network(name="home", sha256=4 * digits, training={"seed": seed})
        for seed, (name, digits) in enumerate((("shipped", "abcdef"), ("second.onnx", "123456")))
    }
    result = result_of(played, "shipped", "a command", networks)
    assert result.network == networks["shipped"]
    assert result.trainings is not None
    gained = {one.baseline: one for one in result.trainings.overall}
    assert gained["provident"].each["shipped"] == result.paired["provident"], "as if it were alone"
    mean = gained["provident"].mean
    assert (mean.difference, mean.low, mean.high) == pytest.approx((0.1, 0.05, 0.15))
    assert result.trainings.families["home"].baseline == "provident"
    overall, by_family = training_sheets(result.trainings)
    assert overall.heads == ("baseline", "seed 0, abcdefabcdef", "seed 1, 123456123456", "mean of them")
    assert overall.rows[0] == [
        "provident",
        "+15.0% (+10.0% … +20.0%)",
        "+5.0% (+0.0% … +10.0%)",
        "+10.0% (+5.0% … +15.0%)",
    ]
    assert by_family.rows == [["home", *overall.rows[0]]]
    assert tables(result)[-1].title == by_family.title
    assert result_of(played, "shipped", "a command", {"shipped": networks["shipped"]}).trainings is None


def test_the_gap_begins_at_the_baseline_that_is_best_on_the_worlds_that_were_planned() -> None:
    played = [row("provident", 10.0, 1.0), row("linucb", 8.0, 9.0), row("mine", 7.0, 5.0), row("planner", 4.0)]
    result = result_of([one for of in played for one in of.values()], "mine", "a command")
    assert result.best_baseline == "provident", "over all worlds"
    assert result.gap_closed == pytest.approx(0.25), "from linucb"


def test_the_gap_is_told_with_its_interval_and_without_one_where_nobody_knows() -> None:
    played = [*row("provident", 10.0, 10.0).values(), *row("mine", 9.0, 10.0).values()]
    result = result_of([*played, *row("planner", 6.0, 8.0).values()], "mine", "a command")
    assert result.gap_closed_ci95 == pytest.approx((0.0, 0.25))
    assert gap_told(result) == "gap to the planner closed: 17% (95 %: 0% … 25%) on 2 worlds"
    alone = result_of([*played, outcome("planner", 0, 6.0)], "mine", "a command")
    assert alone.gap_closed_ci95 is None
    assert gap_told(alone) == "gap to the planner closed: 25% (95 %: n/a) on 1 world"


def test_each_family_is_told_beside_the_best_baseline_there_with_how_sure_that_is() -> None:
    mine = [*row("mine", 9.0, 10.0).values(), *row("mine", 4.0, 4.0, family="garden").values()]
    provident = [*row("provident", 10.0, 10.0).values(), *row("provident", 6.0, 6.0, family="garden").values()]
    chance = [*row("random", 30.0, 30.0).values(), *row("random", 5.0, 5.0, family="garden").values()]
    result = result_of([*mine, *provident, *chance], "mine", "a command")
    assert result.best_baseline == "provident"
    cells_of = [list(column.cells) for column in families_table(result).columns]
    assert list(zip(*cells_of, strict=True)) == [
        ("garden", "random", "+0.1000", "+0.1000 … +0.1000", "+20.0%"),
        ("home", "provident", "+0.0500", "+0.0000 … +0.1000", "+5.0%"),
    ]


def test_who_played_only_some_worlds_is_not_ranked_among_those_who_played_all() -> None:
    played = [outcome(name, seed, cost) for name, cost in (("provident", 8.0), ("mine", 9.0)) for seed in range(3)]
    overall = result_of([*played, outcome("planner", 0, 1.0)], "mine", "a command").overall
    assert [name for name, _ in overall.ranked] == ["provident", "mine", "planner, 1 of 3 worlds"]
    assert set(overall.everywhere) == {"provident", "mine"}


def test_what_is_printed_for_programs_is_read_back_as_it_was() -> None:
    played = [outcome(name, 0, 9.0) for name in ("provident", "mine")]
    bound = replace(outcome("relaxation", 0, 1.0), seconds=(), n_ended=0, joules={}, battery_hours={}, costs={})
    elsewhere = outcome("mine", 0, 9.0, "garden"), outcome("provident", 0, 9.0, "garden")
    result = result_of([*played, *elsewhere, bound], "mine", "a command")
    assert result.overall.policies["relaxation"].p50_ms is None
    assert list(result.families["garden"].policies) == ["mine", "provident"]
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


def test_the_best_baseline_is_never_the_policy_itself_nor_a_bound() -> None:
    played = [("provident", 8.0), ("random", 20.0), ("planner", 5.0), ("relaxation", 1.0), ("mine", 4.0)]
    result = result_of([outcome(name, 0, cost) for name, cost in played], "mine", "a command")
    assert (result.best_baseline, set(result.paired)) == ("provident", {"provident", "random"})
    assert result.paired["provident"].difference == pytest.approx(0.4)
    assert result.gap_closed == pytest.approx(4.0 / 3.0)


def test_which_network_was_judged_is_told_by_digits_and_seed_and_of_a_rule_nothing() -> None:
    played, network = [outcome("mine", 0, 9.0), outcome("provident", 0, 10.0)], Contender(name="shipped").network
    assert network is not None
    result = result_of(played, "mine", "", {"mine": network})
    assert result.network is not None
    assert result.network.sha256 == sha256(SHIPPED_PATH.read_bytes()).hexdigest()
    said = f"mine is {network.name} {network.sha256[:12]}, of the training with seed {network.training['seed']}"
    assert judged(result) == [said]
    assert judged(result_of(played, "mine", "", {})) == []
