"""What is said of plans that were run: how far the chosen one is behind, what a stream gains, and a picture of it."""

from pathlib import Path

import pytest
from rich.console import Console

from meshd.bench.plans import PlanChoice, mean_s
from meshd.bench.plans_picture import save_picture
from meshd.bench.plans_view import plans_view
from meshd.errors import SetupError
from tests.bench.reports import PIPELINE, PLANS
from tests.cli.plan_samples import PLAN

SPLIT = "wrist 0-1, kitchen 1-2"
TIMES = {"wrist": [0.030, 0.020, 0.025], "kitchen": [0.022], SPLIT: [0.020, 0.020]}


def choice(free: dict[str, list[float]]) -> PlanChoice:
    return PlanChoice.of(PLAN, 2e6, "shaped", times=TIMES, free=free)


def test_what_a_plan_takes_is_a_mean_that_a_pause_of_this_machine_is_no_part_of() -> None:
    assert mean_s([0.030, 0.010, *[0.020] * 7, 5.0]) == pytest.approx(0.02125)
    assert mean_s([0.020, 0.050]) == pytest.approx(0.035)


def test_regret_is_how_much_longer_the_chosen_plan_takes_than_the_best() -> None:
    found = choice({"wrist": [0.026, 0.024, 0.025]})
    assert (found.chosen, found.chosen_s, found.best, found.regret, found.runs) == ("wrist", 0.025, SPLIT, 0.25, 3)


def test_every_request_counts_by_the_plan_that_it_took() -> None:
    found = choice({SPLIT: [0.02] * 3, "kitchen": [0.02] * 2})
    assert (found.chosen, found.regret) == (SPLIT, 0.04)


def test_plans_are_held_against_the_best_single_node_as_well() -> None:
    assert choice({"wrist": [0.025]}).over_single == round(0.025 / 0.022 - 1.0, 4)
    assert choice({SPLIT: [0.020]}).over_single == round(0.020 / 0.022 - 1.0, 4)


def test_what_requests_took_that_named_no_place_stands_beside_it() -> None:
    assert choice({"wrist": [0.027, 0.025], "kitchen": [0.023]}).free_s == 0.025


@pytest.mark.parametrize("times", [TIMES, {**TIMES, "attic": []}], ids=["unknown", "without a run"])
def test_a_plan_that_was_taken_and_never_run_by_name_is_no_figure(times: dict[str, list[float]]) -> None:
    with pytest.raises(SetupError, match="ran as attic, which was never run by name"):
        PlanChoice.of(PLAN, 2e6, "shaped", times=times, free={"wrist": [0.02] * 99, "attic": [0.01]})


def test_predictions_stand_beside_what_was_measured_where_there_were_any() -> None:
    assert {plan.place: plan.predicted_s for plan in choice({"wrist": [0.025]}).plans} == {
        "wrist": 0.05,
        "kitchen": 0.605,
        SPLIT: None,
    }


def test_a_stream_gains_by_how_many_more_answers_come() -> None:
    assert (PIPELINE.speedup, PIPELINE.free_speedup) == (1.701, 1.6)


def test_the_table_has_a_row_for_each_model_and_speed_and_a_sentence_on_the_stream() -> None:
    console = Console(width=120)
    with console.capture() as page:
        console.print(plans_view(PLANS, PIPELINE))
    lines = [" ".join(line.split()) for line in page.get().splitlines()]
    assert lines[1:3] == [
        "a model 2 Mbit/s watch 20.0 ms 21.0 ms the same 0.0 % 20.0 ms",
        "a model 200 Mbit/s watch 0-1, hub 1-2 10.4 ms 10.5 ms hub 4.0 % 10.0 ms",
    ]
    rates = "100 a second on one node, 170 as watch 0-1, hub 1-2 (1.70 times), 160 freely (1.60 times)"
    assert lines[3:] == [f"a model as a stream: {rates}"]


def test_the_picture_is_written_as_its_name_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra convert is not installed")
    save_picture(PLANS, tmp_path / "plans.svg")
    assert (tmp_path / "plans.svg").read_text().startswith("<?xml")
