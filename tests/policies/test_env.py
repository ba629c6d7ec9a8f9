from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="the environment needs the `train` extra")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from meshd.core.candidate import WAIT  # noqa: E402
from meshd.core.policy import LeastExpectedCost  # noqa: E402
from meshd.core.request import Priority  # noqa: E402
from meshd.policy.features import features  # noqa: E402
from meshd.policy.layout import MOST_SHOWN, N_CANDIDATE, N_CONTEXT  # noqa: E402
from policies.env import N_ROWS, MeshEnv, Terms, seen_of  # noqa: E402
from policies.scenario import draw  # noqa: E402
from policies.simulator import Simulator  # noqa: E402
from tests.policies.simulator.worlds import arrival, first_minute, scenario  # noqa: E402
from tests.policies.small_worlds import COMMUTING, minute  # noqa: E402

UNDISCOUNTED = Terms(discount_rate_per_s=0.0)


def begun(seed: int = 0, terms: Terms | None = None) -> MeshEnv:
    env = MeshEnv(COMMUTING, terms)
    env.reset(seed=1, options={"scenario": minute(seed)})
    return env


def by_rule(env: MeshEnv) -> np.int64:
    assert env.asked is not None
    return np.int64(seen_of(env.asked).row_of(LeastExpectedCost().choose(env.asked.observation)))


def to_the_end(env: MeshEnv) -> list[tuple[float, dict[str, Any]]]:
    """Rewards, and what was told beside them, of the rule."""
    played, done = [], False
    while not done:
        _, reward, done, truncated, told = env.step(by_rule(env))
        played.append((reward, told))
        assert not truncated
    return played


def test_it_is_an_environment_as_gymnasium_understands_one() -> None:
    check_env(MeshEnv(COMMUTING), skip_render_check=True)


def test_rewards_are_minus_all_that_the_world_costs_behind_the_first_decision() -> None:
    env = begun(terms=UNDISCOUNTED)
    before, played = env.simulator.costs.cost, to_the_end(env)
    assert sum(reward for reward, _ in played) == pytest.approx(before - played[-1][1]["cost"])


def test_the_rule_played_through_the_environment_costs_what_it_costs_in_the_simulator() -> None:
    env, simulator = begun(), Simulator(minute())
    while (choice := simulator.next_choice()) is not None:
        simulator.choose(LeastExpectedCost().choose(choice.observation))
    assert to_the_end(env)[-1][1]["cost"] == simulator.costs.cost


def test_discount_is_by_the_seconds_to_the_next_decision_and_nothing_is_left_at_the_end() -> None:
    env, done, last = begun(terms=Terms(discount_rate_per_s=0.1)), False, 0.0
    while not done:
        before_s = env.simulator.now
        _, _, done, _, told = env.step(by_rule(env))
        last = told["discount"]
        if not done:
            assert last == exp(-0.1 * (env.simulator.now - before_s))
    assert last == 0.0


def test_what_is_spent_later_counts_less() -> None:
    now, later = begun(terms=UNDISCOUNTED), begun(terms=Terms(discount_rate_per_s=1.0))
    assert now.step(by_rule(now))[1] < later.step(by_rule(later))[1] < 0.0


def test_a_request_that_waits_owes_what_going_at_once_was_predicted_to_cost_until_it_is_asked_about_again() -> None:
    env = MeshEnv(COMMUTING, UNDISCOUNTED)
    patient = arrival(0, 1.0, priority=Priority.BACKGROUND, deadline_s=90.0)
    env.reset(options={"scenario": scenario(patient, arrival(1, 2.0))})
    assert env.asked is not None
    observation = env.asked.observation
    predicted = observation.candidates[LeastExpectedCost().choose(observation)].prediction.cost
    costs = [env.simulator.costs.cost]
    rewards = [env.step(np.int64(N_ROWS - 1))[1]]
    costs.append(env.simulator.costs.cost)
    assert env.asked.observation.request_id == "1"
    rewards.append(env.step(by_rule(env))[1])
    costs.append(env.simulator.costs.cost)
    assert env.asked.observation.request_id == "0"
    assert rewards == pytest.approx([costs[0] - costs[1] - predicted, costs[1] - costs[2] + predicted])
    assert predicted > 0.0


def test_debts_change_no_sum_of_rewards() -> None:
    env = MeshEnv(COMMUTING, UNDISCOUNTED)
    env.reset(options={"scenario": first_minute(draw("flaky_radio", 0))})
    before, rewards, waits = env.simulator.costs.cost, list[float](), list[bool]()
    while env.asked is not None:
        waits.append(bool(env.action_masks()[-1]))
        rewards.append(env.step(np.int64(N_ROWS - 1) if waits[-1] else by_rule(env))[1])
    assert any(waits)
    assert sum(rewards) == pytest.approx(before - env.simulator.costs.cost)


def test_the_same_seed_and_actions_give_the_same_rewards() -> None:
    def play() -> list[float]:
        env = MeshEnv(COMMUTING)
        env.reset(seed=5)
        return [env.step(by_rule(env))[1] for _ in range(30)]

    assert play() == play()


def test_rows_are_the_features_that_a_daemon_computes() -> None:
    env = MeshEnv(COMMUTING)
    seen, _ = env.reset(options={"scenario": minute()})
    assert env.asked is not None
    expected = features(env.asked.observation, env.asked.view, env.asked.now)
    rows = seen[:-N_CONTEXT].reshape(-1, N_CANDIDATE)
    n_shown = len(expected.ways)
    assert WAIT not in expected.ways
    assert np.array_equal(rows[:n_shown], expected.candidates)
    assert not rows[n_shown:].any()
    assert np.array_equal(seen[-N_CONTEXT:], expected.context)


@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.BACKGROUND])
def test_waiting_is_allowed_to_background_requests_alone(priority: Priority) -> None:
    env = MeshEnv(COMMUTING)
    env.reset(options={"scenario": scenario(arrival(0, 1.0, priority=priority, deadline_s=9.0))})
    assert env.action_masks()[-1] == (priority is Priority.BACKGROUND)
    assert env.choice_of(N_ROWS - 1) == WAIT
    assert env.asked is not None
    assert seen_of(env.asked).row_of(WAIT) == N_ROWS - 1


def test_what_is_not_allowed_is_answered_by_the_heuristic() -> None:
    wrong, right = begun(), begun()
    forbidden = np.int64(np.flatnonzero(~wrong.action_masks())[0])
    assert wrong.step(forbidden)[1] == right.step(by_rule(right))[1]


def test_of_many_candidates_the_heuristics_choice_and_the_cheapest_others_are_shown_in_their_order() -> None:
    env, n_more = begun(), 0
    while env.asked is not None and n_more < 3:
        candidates, rule = env.asked.observation.candidates, LeastExpectedCost().choose(env.asked.observation)
        others = [index for index, one in enumerate(candidates) if one.allowed and index != rule]
        others.sort(key=[one.prediction.cost for one in candidates].__getitem__)
        shown = [env.choice_of(int(action)) for action in np.flatnonzero(env.action_masks()[:-1])]
        assert shown == sorted([rule, *others[: MOST_SHOWN - 1]])
        n_more += len(others) >= MOST_SHOWN
        env.step(by_rule(env))
    assert n_more == 3


def test_an_episode_that_is_over_has_to_be_begun_anew() -> None:
    env = MeshEnv(COMMUTING)
    env.reset(options={"scenario": scenario(arrival(0, 1.0))})
    to_the_end(env)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.int64(0))


def test_a_world_without_a_decision_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is to be decided"):
        MeshEnv(COMMUTING).reset(options={"scenario": scenario()})
