from __future__ import annotations

import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from meshd.core.request import Priority
from meshd.policy.served import SHIPPED_PATH
from policies.baselines import BASELINES, DEFAULT, SINGLE
from policies.bounds import Foresight
from policies.errors import NoPolicy
from policies.evaluate import app
from policies.evaluation.contender import Contender
from policies.evaluation.play import play
from policies.evaluation.result import Result, result_of
from policies.evaluation.table import LEGEND, gap_told, tables
from policies.evaluation.worlds import World, play_world
from policies.scenario import draw
from policies.tuning import best_of
from tests.policies.simulator.worlds import first_minute

KEYS = {
    "reward",
    "ci95",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "p99_foreground_ms",
    "deadline_miss",
    "joules",
    "worse_than_single",
}


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.skipif(find_spec("matplotlib") is None or find_spec("jinja2") is None, reason="the page needs `convert`")
def test_the_command_prints_the_figures_of_all_rules_and_writes_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "families.svg"
    alone = ("--families", "garden", "--seeds", "1", "--planner-seeds", "0", "--processes", "1")
    written = ("--page", str(page), "--picture", str(picture))
    said = run("--policy", "least-expected-cost", *alone, *written, "--json")
    printed = msgspec.json.decode(said)
    policies = printed["families"]["garden"]["policies"]
    assert set(policies) == {*BASELINES, "relaxation"}
    assert all(set(one) >= KEYS for one in (*policies.values(), *printed["overall"]["policies"].values()))
    assert set(printed["paired"]) == set(BASELINES) - {"least-expected-cost"}
    assert all(set(one) == {"difference", "low", "high"} for one in printed["paired"].values())
    assert (printed["gap_closed"], printed["gap_closed_ci95"]) == (None, None)
    assert msgspec.json.encode(msgspec.json.decode(said, type=Result)) == said.strip().encode()
    assert {one["low"] for one in printed["paired"].values()} == {None}, "one world tells nothing of others"
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") >= 5
    assert "95 %: n/a; one world of a family tells nothing of others" in html
    assert "which does not hold garden" in html, "a family of training is no test"
    assert "<h2>Each family</h2>" in html
    assert all(baseline.about in html for baseline in BASELINES.values())
    assert not any(outside in html for outside in ("<script", 'src="http', "<link"))
    assert ET.parse(picture).getroot().tag.endswith("svg")


def test_a_shipped_policy_that_is_not_there_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.evaluation.contender.SHIPPED_PATH", Path("nowhere/policy.onnx"))
    with pytest.raises(NoPolicy, match=r"shipped policy is missing.*make train"):
        Contender(name="shipped").policy("home")


def test_a_file_that_is_no_network_is_told_as_no_policy(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(NoPolicy, match=r"no policy .*README\.md\..*\.onnx file"):
        Contender(name=str(tmp_path / "README.md")).policy("home")


def test_the_last_table_of_scores_says_what_its_heads_mean_and_a_single_family_is_told_once() -> None:
    outcomes = [
        outcome
        for family in ("garden", "home")
        for outcome in play_world(
            World(family=family, seed=0, contenders=tuple(Contender(name=name) for name in ("random", DEFAULT, SINGLE)))
        )
    ]
    one = tables(result_of(outcomes[: len(outcomes) // 2], "random", ""))
    two = tables(result_of(outcomes, "random", ""))
    assert [table.title for table in one[:-1]] == ["garden"]
    assert [table.title for table in two[:-2]] == ["garden", "home", "all families"]
    assert two[-1].title == "what random gains in each family"
    assert one[0].caption == two[2].caption == LEGEND
    assert two[0].caption is None


def test_a_mesh_of_more_nodes_than_the_planner_may_have_is_not_planned_and_is_told_to_be_none() -> None:
    contenders = tuple(Contender(name=name) for name in (DEFAULT, SINGLE))
    home = World(family="home", seed=0, contenders=contenders, foresight=Foresight(look_ahead_s=0.1, breadth=1))
    outcomes = [*play_world(home), *play_world(replace(home, family="garden", most_planned=2))]
    result = result_of(outcomes, DEFAULT, "")
    assert (result.planned_worlds, result.unplanned_families) == (1, ["garden"])
    told = gap_told(result)
    assert told.endswith(" (95 %: n/a) on 1 world; not planned: garden, of more nodes than --planner-nodes")
    assert gap_told(replace(result, planned_worlds=0)) == "gap to the planner closed: not planned"


def test_what_is_told_of_the_foreground_leaves_out_what_was_asked_in_the_background() -> None:
    scenario = draw("night", 0)
    (one, _) = play_world(World(family="night", seed=0, contenders=(Contender(name=DEFAULT),)))
    asked = [arrival.request.priority for arrival in scenario.arrivals]
    n_background = asked.count(Priority.BACKGROUND)
    assert n_background > 0
    assert 0 < len(one.foreground_seconds) <= len(asked) - n_background
    assert not Counter(one.foreground_seconds) - Counter(one.seconds)


def test_a_path_without_a_policy_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoPolicy, match=r"nowhere\.onnx"):
        Contender(name=str(tmp_path / "nowhere.onnx")).policy("home")


def test_a_network_that_is_named_twice_would_count_twice_and_is_refused_before_anything_is_played() -> None:
    with pytest.raises(NoPolicy, match=r"shipped and .*policy\.onnx are the same network"):
        CliRunner().invoke(app, ["--also", str(SHIPPED_PATH)], catch_exceptions=False)


@pytest.mark.parametrize("named", [["--also", "provident"], ["--policy", "provident", "--also", str(SHIPPED_PATH)]])
def test_a_rule_is_no_training(named: list[str]) -> None:
    with pytest.raises(NoPolicy, match=r"provident is a rule and no training\. Rules play anyway"):
        CliRunner().invoke(app, named, catch_exceptions=False)


APART = """
from policies.evaluation.contender import Contender
from policies.evaluation.worlds import World, play_worlds
from policies.workers import Pool
worlds = [World(family="errand", seed=seed, contenders=(Contender(name="autoscale"),)) for seed in range(2)]
played = [one for outcomes in play_worlds(worlds, Pool({processes})) for one in outcomes]
print(sorted((one.seed, one.policy, one.cost) for one in played))
"""


def test_worlds_come_out_the_same_on_one_process_and_on_two() -> None:
    said = [
        subprocess.run([sys.executable, "-c", APART.format(processes=count)], check=True, capture_output=True).stdout
        for count in (1, 2)
    ]
    assert said[0]
    assert said[0] == said[1]


def test_tuning_never_ends_worse_than_where_it_began() -> None:
    world = first_minute(draw("garden", 1))
    best = best_of("provident", [world])
    tuned, plain = (
        play(world, lambda: Contender(name="provident", parameters=given).policy("garden")).cost  # noqa: B023
        for given in (best, {})
    )
    assert tuned <= plain
