from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("onnx", reason="exporting needs the `train` extra")

from meshd.policy.guard import Guard
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT
from meshd.policy.learned import LearnedPolicy
from policies.evaluation.contender import Contender
from policies.evaluation.play import play
from policies.export import Range, export
from policies.network import Form, Scorer
from tests.policies.small_worlds import minute

EVERYTHING = Range(low=(-1e9,) * (N_CANDIDATE + N_CONTEXT), high=(1e9,) * (N_CANDIDATE + N_CONTEXT))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("policy") / "policy.onnx"
    network = Scorer(Form(n_members=2, width=32, temperature_joules=-0.05, wait_joules=-9.0))  # It likes what is dear.
    export(network, path, name="contrary", seen=EVERYTHING, training={})
    return str(path)


def test_the_file_of_a_policy_plays_behind_the_guard_of_a_daemon_unless_it_is_said_otherwise(path: str) -> None:
    assert isinstance(Contender(name=path).policy("home"), Guard)
    assert isinstance(Contender(name=path, is_guarded=False).policy("home"), LearnedPolicy)


def test_a_network_that_takes_the_dearest_costs_less_behind_the_guard(path: str) -> None:
    world = minute()
    guarded, alone = (
        play(world, lambda: Contender(name=path, is_guarded=is_guarded).policy(world.family))  # noqa: B023
        for is_guarded in (True, False)
    )
    assert guarded.cost < alone.cost
    assert sorted(guarded.by_request()) == sorted(alone.by_request())
