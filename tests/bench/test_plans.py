"""What is said of plans that were run: how far the chosen one is behind, what a stream gains, and a picture of it."""

from pathlib import Path

import pytest
from rich.console import Console

from meshd.bench.plans import PlanChoice
from meshd.bench.plans_picture import save_picture
from meshd.bench.plans_view import plans_view
from meshd.errors import SetupError
from tests.bench.reports import PIPELINE, PLANS
from tests.cli.plan_samples import PLAN

SPLIT = "wrist 0-1, kitchen 1-2"
TIMES = {"wrist": [0.030, 0.020, 0.025], "kitchen": [0.022], SPLIT: [0.020, 0.020]}


def choice(free: dict[str, list[float]]) -> PlanChoice:
    return PlanChoice.of(PLAN, 2e6, "shaped", times=TIMES, free=free)


def test_regret_is_how_much_longer_free_requests_take_than_the_best_plan_at_the_median() -> None:
    found = choice({"wrist": [0.026, 0.024, 0.025], "kitchen": [0.027, 0.022]})
    assert (found.chosen, found.chosen_s, found.best, found.regret, found.runs) == ("wrist", 0.025, SPLIT, 0.25, 5)


def test_requests_that_were_quicker_than_all_plans_have_no_regret() -> None:
    assert choice({SPLIT: [0.019]}).regret == 0.0


def test_free_requests_are_held_against_the_best_single_node_as_well() -> None:
    assert choice({"wrist": [0.025]}).over_single == round(0.025 / 0.022 - 1.0, 4)
    assert choice({SPLIT: [0.020]}).over_single == round(0.020 / 0.022 - 1.0, 4)


def test_where_most_requests_ran_that_named_no_place_is_what_was_chosen() -> None:
    assert choice({"wrist": [0.020] * 5, SPLIT: [0.020] * 6}).chosen == SPLIT


@pytest.mark.parametrize("times", [TIMES, {**TIMES, "attic": []}], ids=["unknown", "without a run"])
def test_what_was_chosen_and_never_run_by_name_is_no_figure(times: dict[str, list[float]]) -> None:
    with pytest.raises(SetupError, match="ran as attic, and that plan was never run by name"):
        PlanChoice.of(PLAN, 2e6, "shaped", times=times, free={"attic": [0.01] * 99, "wrist": [0.02]})


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
        "a model 2 Mbit/s watch 20.0 ms the same 0.0 % 20.0 ms",
        "a model 200 Mbit/s watch 0-1, hub 1-2 10.4 ms hub 4.0 % 10.0 ms",
    ]
    rates = "100 a second on one node, 170 as watch 0-1, hub 1-2 (1.70 times), 160 where the scheduler decides"
    assert lines[3:] == [f"a model as a stream: {rates}"]


def test_the_picture_is_written_as_its_name_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra convert is not installed")
    save_picture(PLANS, tmp_path / "plans.svg")
    assert (tmp_path / "plans.svg").read_text().startswith("<?xml")
