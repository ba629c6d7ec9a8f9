from __future__ import annotations

import shlex
from importlib.util import find_spec
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from statistics import fmean

import msgspec
import pytest
from typer.testing import CliRunner

from policies.baselines import DEFAULT
from policies.evaluation.contender import Contender
from policies.evaluation.play import request_cost
from policies.fleet.__main__ import app
from policies.fleet.census import Census
from policies.fleet.fleet import Fleet, lived
from policies.fleet.home import Home, live, shortened
from policies.fleet.result import FleetResult
from policies.scenario import Split, draw
from policies.workers import Pool, Workers

BOTH = (Contender(name="least-expected-latency"), Contender(name=DEFAULT))
FLEET = Fleet(n_homes=7, families=("home", "garden"), contenders=BOTH, split=Split.TEST, horizon_s=20.0)


@pytest.fixture(scope="module", autouse=True)
def _tracker() -> None:
    """Begin what Python's multiprocessing keeps beside the first process that it spawns, until the end."""
    ensure_running()


def result_of(fleet: Fleet, workers: Workers) -> FleetResult:
    census = Census()
    for home, lives in lived(fleet, workers):
        census.add(home, lives)
    return census.result("a command", {})


def run(*arguments: str) -> FleetResult:
    printed = CliRunner().invoke(app, [*arguments, "--processes", "1", "--json"], catch_exceptions=False)
    assert printed.exit_code == 0
    return msgspec.json.decode(printed.stdout, type=FleetResult)


def test_families_take_turns_and_no_home_is_like_another() -> None:
    homes = list(FLEET.homes())
    assert [home.name for home in homes[:3]] == ["home 0 as test", "garden 0 as test", "home 1 as test"]
    assert len({home.name for home in homes}) == FLEET.n_homes
    first, other = (homes[place].draw() for place in (0, 2))
    assert first.nodes[0].hosted[0].compute_s != other.nodes[0].hosted[0].compute_s
    assert first.settings.latency_price_watts != other.settings.latency_price_watts


def test_a_shortened_home_is_the_beginning_of_the_whole_one() -> None:
    whole = draw("garden", 3)
    short = shortened(whole, 30.0)
    assert short.arrivals == tuple(arrival for arrival in whole.arrivals if arrival.at_s < 30.0)
    assert (short.nodes, short.links, short.happenings) == (whole.nodes, whole.links, whole.happenings)
    assert shortened(whole, 1e6) == whole


def test_what_is_said_of_a_fleet_is_what_its_homes_cost() -> None:
    result = result_of(FLEET, Pool())
    costs = {
        one.name: [request_cost(home.draw(), lambda: one.policy(home.family)) for home in FLEET.homes()]  # noqa: B023
        for one in BOTH
    }
    ours, rule = (costs[one.name] for one in BOTH)
    figures = result.overall["least-expected-latency"]
    assert figures.reward.mean == pytest.approx(-fmean(ours))
    assert figures.reward.percentiles[0] == pytest.approx(-max(ours))
    assert figures.worse_than_rule == sum(mine > its + 1e-9 for mine, its in zip(ours, rule, strict=True)) / 7
    assert figures.gain.mean == pytest.approx(fmean(1.0 - mine / its for mine, its in zip(ours, rule, strict=True)))
    assert result.overall[DEFAULT].worse_than_rule == 0.0
    assert {family: one[DEFAULT].homes for family, one in result.families.items()} == {"garden": 3, "home": 4}


def test_a_fleet_is_the_same_wherever_it_lives() -> None:
    assert result_of(FLEET, Pool(2)) == result_of(FLEET, Pool())


def test_the_worst_home_can_be_lived_again() -> None:
    worst = result_of(FLEET, Pool()).overall["least-expected-latency"].worst
    assert [one.gain for one in worst] == sorted(one.gain for one in worst)
    assert worst[0].gain < 0.0
    again = run(*shlex.split(worst[0].replay)[3:])
    assert again.overall["least-expected-latency"].reward.mean == pytest.approx(worst[0].reward)


def test_a_home_in_which_nobody_asks_is_a_home() -> None:
    empty = Fleet(n_homes=1, families=("home",), contenders=BOTH, horizon_s=1e-6)
    figures = result_of(empty, Pool()).overall[DEFAULT]
    assert (figures.homes, figures.requests.n, figures.requests.p50_ms, figures.p50_ms) == (1, 0, None, None)


def test_what_comes_back_from_a_home_does_not_grow_with_its_requests() -> None:
    short, long = (
        msgspec.msgpack.encode(live(Home(family="garden", seed=1, contenders=BOTH, horizon_s=horizon_s)))
        for horizon_s in (60.0, 240.0)
    )
    assert len(long) < 2 * len(short)


@pytest.mark.skipif(find_spec("matplotlib") is None or find_spec("jinja2") is None, reason="the page needs `train`")
def test_the_command_writes_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "fleet.html"
    run("--homes", "2", "--policy", "heft", "--families", "home", "--horizon-s", "20", "--page", str(page))
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 4
    assert not any(outside in html for outside in ("<script", 'src="http', "<link"))
