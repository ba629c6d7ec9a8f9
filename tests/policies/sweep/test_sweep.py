from __future__ import annotations

from dataclasses import asdict, replace
from math import sqrt
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")
pytest.importorskip("tensorboard", reason="curves need the `train` extra")
pytest.importorskip("onnx", reason="exporting needs the `train` extra")

from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy
from policies.errors import TrainingUnusable
from policies.evaluation.play import request_cost
from policies.hyperparameters import Hyperparameters
from policies.sweep.picture import draw_picture
from policies.sweep.result import interval, result_of
from policies.sweep.trial import Judged, Trial
from tests.policies.small_worlds import COMMUTING
from tests.policies.test_training import CHOSEN_BY, TINY


def trial(folder: Path, point: str = "recipe", recipe: Hyperparameters = TINY) -> Trial:
    return Trial(
        point=point,
        recipe=recipe,
        folder=folder / point / f"seed-{recipe.seed}",
        n_judging_seeds=1,
        learns_from=COMMUTING,
        chosen_by=CHOSEN_BY,
    )


def judged(seed: int, reward: float) -> Judged:
    return Judged(recipe=asdict(replace(TINY, seed=seed)), n_worlds=1, reward=reward, rule=-1.0, gain=1.0 + reward)


@pytest.mark.slow
def test_a_trial_is_judged_on_worlds_that_did_not_choose_it_and_never_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # The exporter's progress bars would leave a thread behind.
    one = trial(tmp_path)
    assert one.judged() is None
    came = one.run()
    exported = Guard(LearnedPolicy(one.folder / "best.onnx"))
    assert came.reward == pytest.approx(-request_cost(CHOSEN_BY.draw(0, 1), lambda: exported), rel=1e-4)
    before = {path: path.stat().st_mtime_ns for path in one.folder.iterdir()}
    assert one.run() == came
    assert {path: path.stat().st_mtime_ns for path in one.folder.iterdir()} == before
    with pytest.raises(TrainingUnusable, match="made or judged otherwise"):
        trial(tmp_path, recipe=replace(TINY, width=16)).run()


def test_points_are_told_with_the_interval_over_their_seeds_the_best_first(tmp_path: Path) -> None:
    trials = [trial(tmp_path, point, replace(TINY, seed=seed)) for point in ("wide", "narrow") for seed in (1, 2, 3)]
    rewards = {"wide": (-0.8, -0.9, -0.7), "narrow": (-0.6, -0.5, -0.7)}
    result = result_of(
        ((one, judged(one.recipe.seed, rewards[one.point][one.recipe.seed - 1])) for one in trials), "a command"
    )
    best, other = result.points
    assert (best.name, best.rewards) == ("narrow", {1: -0.6, 2: -0.5, 3: -0.7})
    assert other.name == "wide"
    assert (other.reward, other.gain) == pytest.approx((-0.8, 0.2))
    half = 4.302652729911275 * 0.1 / sqrt(3)  # Student's t with two degrees of freedom.
    assert best.ci95 == pytest.approx((-0.6 - half, -0.6 + half))
    assert (interval([1.0]), interval([2.0, 2.0])) == (None, (2.0, 2.0))

    for one in trials:
        one.folder.mkdir(parents=True)
        (one.folder / "curve.jsonl").write_bytes(msgspec.json.encode({"decisions": 10, "gain": 0.1}) + b"\n")
    draw_picture(result, trials, tmp_path / "sweep.svg")
    assert (tmp_path / "sweep.svg").read_text(encoding="utf-8").count("<svg") == 1
