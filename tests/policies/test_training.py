from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")
pytest.importorskip("tensorboard", reason="curves need the `train` extra")
pytest.importorskip("onnx", reason="exporting needs the `train` extra")

from meshd.policy.learned import LearnedPolicy  # noqa: E402
from policies.errors import TrainingUnusable  # noqa: E402
from policies.evaluation.play import request_cost  # noqa: E402
from policies.hyperparameters import Hyperparameters  # noqa: E402
from policies.imitation import imitate  # noqa: E402
from policies.labels import Labels  # noqa: E402
from policies.network import Scorer  # noqa: E402
from policies.rounds import Rounds  # noqa: E402
from policies.scenario import Split, family_names  # noqa: E402
from policies.training import Training  # noqa: E402
from policies.workers import Pool  # noqa: E402
from policies.worlds import Worlds, training_worlds, validation_worlds  # noqa: E402
from tests.policies.small_worlds import COMMUTING, minute  # noqa: E402

TINY = Hyperparameters(
    width=8,
    n_rounds=2,
    n_label_seeds=1,
    label_share=0.02,
    look_ahead_s=1.0,
    lesson_epochs=2,
    n_decisions=64,
    n_envs=2,
    n_steps=16,
    batch_size=16,
    n_critic_rollouts=0,
    validate_every=1,
)
CHOSEN_BY = Worlds(families=("commuting",), split=Split.VALIDATION, n_seeds=1)


def training(folder: Path, recipe: Hyperparameters, said: list[str]) -> Training:
    return Training(folder, recipe, say=said.append, worlds=COMMUTING, chosen_by=CHOSEN_BY)


@pytest.mark.slow
def test_each_rounds_network_begins_anew_and_learns_from_the_labels_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # The exporter's progress bars would leave a thread behind.
    recipe = replace(TINY, label_share=0.2)
    torch.manual_seed(1)
    taught = Scorer(recipe.form)
    alone, said = deepcopy(taught), list[str]()
    rounds = Rounds(tmp_path, recipe, COMMUTING, Pool(), said.append)
    rounds.teach(taught)
    assert all(len(Labels.load(path)) for path in tmp_path.glob("labels/*.npz")), "each round taught something"
    imitate(alone, rounds.known, recipe.lesson, seed=recipe.seed, say=said.append)
    torch.testing.assert_close(taught.state_dict(), alone.state_dict())


@pytest.mark.slow
def test_what_was_trained_plays_and_training_ends_where_the_recipe_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # The exporter's progress bars would leave a thread behind.
    said: list[str] = []
    training(tmp_path, TINY, said).run()
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["decisions"] for line in curve] == [0, 32, 64]
    exported = LearnedPolicy(tmp_path / "best.onnx")
    assert exported.record.training["gain"] == round(max(line["gain"] for line in curve), 4)
    assert request_cost(minute(), lambda: exported) > 0.0
    assert list(tmp_path.glob("events.out.tfevents.*"))

    said.clear()
    training(tmp_path, TINY, said).run()
    assert said == ["going on behind 64 decisions"]
    with pytest.raises(TrainingUnusable, match="another recipe"):
        training(tmp_path, replace(TINY, width=16), said)


def test_labels_of_one_recipe_are_not_taken_for_anothers_before_there_is_a_checkpoint(tmp_path: Path) -> None:
    training(tmp_path, TINY, [])
    training(tmp_path, TINY, [])
    with pytest.raises(TrainingUnusable, match="another recipe"):
        training(tmp_path, replace(TINY, look_ahead_s=2.0), [])


def test_nothing_is_chosen_by_what_was_trained_on_nor_by_what_is_tested() -> None:
    learned, chosen = training_worlds(), validation_worlds(3)
    assert (learned.split, chosen.split) == (Split.TRAIN, Split.VALIDATION)
    assert set(learned.families) <= set(chosen.families)
    assert not set(chosen.families) & set(family_names(Split.TEST))
