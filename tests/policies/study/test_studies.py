from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from typer.testing import CliRunner

from meshd.policy.record import read
from meshd.policy.served import SHIPPED_PATH
from policies.baselines import DEFAULT
from policies.errors import NoPolicy, PoliciesError
from policies.study import ablations, energy, freshness, learning
from policies.study.__main__ import app
from policies.study.ablations import WHOLE, Ablations
from policies.study.arm import Arm
from policies.study.energy import WEIGHTS, Energy
from policies.study.freshness import Freshness
from policies.study.learning import Learning
from policies.study.runs import Runs
from policies.study.trial import Run
from tests.policies.study.played import run

POLICY = "mine.onnx"
needs_train = pytest.mark.skipif(
    find_spec("matplotlib") is None or find_spec("jinja2") is None, reason="the page needs `train`"
)


def traded(saved: float, family: str, scale: float) -> Iterable[Run]:
    """Rules that miss less for more joules along one line, and a policy that does the same for fewer joules."""
    for arm in energy.arms(POLICY):
        weight, share = 1.0 / arm.price_factor, 1.0 - saved if arm.name.startswith("mine") else 1.0
        for seed in range(4):
            joules = scale * (1.0 + 0.1 * seed) * share / weight
            yield run(arm.name, seed, family, joules=joules, misses=0.1 + 0.01 * weight)


def played(arms: Iterable[Arm]) -> Runs:
    return Runs(run(arm.name, seed) for arm in arms for seed in range(3))


def test_a_policy_that_takes_a_fifth_less_for_the_same_misses_is_told_so_whatever_families_take() -> None:
    runs = Runs([*traded(0.2, "night", 1.0), *traded(0.2, "doorbell", 100.0)])
    study = Energy.of(runs, POLICY, "a command")
    ours, provident = study.overall.equal["mine"], study.overall.equal["provident"]
    assert ours.fewer_joules is not None
    assert (ours.fewer_joules.low, ours.fewer_joules.high) == pytest.approx((0.2, 0.2))
    assert ours.misses is not None
    assert ours.misses.value < 0.11
    assert provident.fewer_joules is not None
    assert provident.fewer_joules.value == pytest.approx(0.0)
    assert [point.joules.value for point in study.overall.curves["least-expected-cost"]] == pytest.approx(
        [1.0 / weight for weight in WEIGHTS]
    )


def test_a_policy_that_always_misses_more_than_the_rule_is_not_compared_at_equal_misses() -> None:
    worse = [
        msgspec.structs.replace(one, misses=0.5) if one.arm.startswith("mine") else one
        for one in traded(0.0, "night", 1.0)
    ]
    equal = Energy.of(Runs(worse), POLICY, "a command").overall.equal["mine"]
    assert equal.fewer_joules is None
    assert equal.misses is not None
    assert equal.misses.value == 0.5


def test_families_without_a_battery_say_nothing_of_joules() -> None:
    both = [*traded(0.2, "night", 1.0), *traded(0.2, "rack", 0.0)]
    study = Energy.of(Runs(both), POLICY, "a command")
    assert (list(study.families), study.n_worlds) == (["night"], 4)
    with pytest.raises(PoliciesError, match="battery"):
        Energy.of(Runs(traded(0.2, "rack", 0.0)), POLICY, "a command")


def test_what_fresher_knowledge_is_worth_is_the_difference_to_heartbeats() -> None:
    fresh = [run(arm.name, 0, reward=-0.8 if arm.replies_tell else -1.0) for arm in freshness.arms(POLICY)]
    study = Freshness.of(Runs(fresh), POLICY, "a command")
    assert {name: one.gain.share.value for name, one in study.overall.items()} == pytest.approx(
        {"mine": 0.2, "least-expected-cost": 0.2, "provident": 0.2}
    )


def test_ablations_are_told_beside_the_policy_as_it_is_served() -> None:
    names = [arm.name for arm in ablations.arms(POLICY)]
    assert len(set(names)) == len(names)
    runs = Runs([run(name, 0, reward=-1.0 if name == WHOLE else -1.5) for name in names])
    study = Ablations.of(runs, POLICY, "a command")
    assert {one.gain.share.value for name, one in study.arms.items() if name != WHOLE} == {-0.5}
    assert study.arms[WHOLE].gain.reward.value == 0.0


def test_a_rule_has_no_parts_to_take_away() -> None:
    with pytest.raises(NoPolicy, match="has no parts"):
        ablations.arms("provident")


def training(folder: Path) -> str:
    """A folder like that of a training of two rounds, then of reinforcement; all networks are the shipped one."""
    record, network = read(SHIPPED_PATH)
    (folder / "labels").mkdir()
    made = {"labels/round-1": {"labels": 200}, "labels/round-0": {"labels": 100}}
    for name, of in {**made, "candidate": {"labels": 200, "decisions": 5}}.items():
        msgspec.structs.replace(record, training=of).save(network, folder / f"{name}.onnx")
    return str(folder)


def test_what_longer_training_has_brought_is_told_round_by_round_and_then_of_reinforcement(tmp_path: Path) -> None:
    folder, rewards = training(tmp_path), {DEFAULT: -1.0, "round-0": -0.9, "round-1": -0.8, "reinforced": -0.85}
    assert [arm.name for arm in learning.arms(folder)] == list(rewards)
    runs = Runs(run(name, seed, reward=reward) for name, reward in rewards.items() for seed in range(3))
    steps = Learning.of(runs, folder, "a command").steps
    told = {name: (one.labels, one.decisions, round(one.gain.share.value, 6)) for name, one in steps.items()}
    assert told == {"round-0": (100, 0, 0.1), "round-1": (200, 0, 0.2), "reinforced": (200, 5, 0.15)}


def test_a_folder_without_the_networks_of_rounds_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(NoPolicy, match="holds no networks of rounds"):
        learning.arms(str(tmp_path))


@needs_train
def test_the_page_of_a_training_has_a_table_for_all_and_for_each_family(tmp_path: Path) -> None:
    from policies.study.page import page  # noqa: PLC0415 - it needs matplotlib

    folder = training(tmp_path)
    html = page(Learning.of(played(learning.arms(folder)), folder, "a command"))
    assert (html.count("<svg"), html.count("<table")) == (1, 2)


@needs_train
@pytest.mark.parametrize("study", [energy, freshness, ablations])
def test_a_page_needs_nothing_else(study: object) -> None:
    from policies.study.page import page  # noqa: PLC0415 - it needs matplotlib

    of = {energy: Energy, freshness: Freshness, ablations: Ablations}
    html = page(of[study].of(played(study.arms(POLICY)), POLICY, "<a command>"))  # type: ignore[index,attr-defined]
    assert "<svg" in html
    assert "&lt;a command&gt;" in html
    assert not any(outside in html for outside in ("<script", 'src="http', "<link"))


@needs_train
def test_the_command_plays_a_study_and_writes_its_page(tmp_path: Path) -> None:
    page, picture = tmp_path / "study.html", tmp_path / "study.svg"
    asked = ["freshness", "--policy", "heft", "--families", "garden", "--seeds", "1", "--processes", "1"]
    written = ["--page", str(page), "--picture", str(picture)]
    printed = CliRunner().invoke(app, [*asked, *written, "--json"], catch_exceptions=False)
    assert printed.exit_code == 0
    study = msgspec.json.decode(printed.stdout, type=Freshness)
    assert list(study.families["garden"]) == ["heft", "least-expected-cost", "provident"]
    assert page.read_text(encoding="utf-8").count("<svg") == 1
    assert ET.parse(picture).getroot().tag.endswith("svg")


@needs_train
def test_a_study_tells_which_network_it_judged_on_its_page_and_for_programs(tmp_path: Path) -> None:
    page = tmp_path / "study.html"
    asked = ["freshness", "--families", "garden", "--seeds", "1", "--processes", "1", "--page", str(page), "--json"]
    printed = CliRunner().invoke(app, asked, catch_exceptions=False)
    (network,) = msgspec.json.decode(printed.stdout, type=Freshness).networks
    assert network.sha256 == sha256(SHIPPED_PATH.read_bytes()).hexdigest()
    assert network.told in page.read_text(encoding="utf-8")
