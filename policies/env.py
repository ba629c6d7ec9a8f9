"""The scheduler's decisions as a Gymnasium environment."""

from __future__ import annotations

from math import exp
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from msgspec import Struct
from numpy.typing import NDArray
from typing_extensions import override

from meshd.core.candidate import WAIT, Observation
from meshd.core.policy import LeastExpectedCost
from meshd.policy.features import features
from meshd.policy.layout import MOST_SHOWN, N_CANDIDATE, N_CONTEXT
from policies.scenario import Scenario
from policies.simulator import Choice, Ended, Simulator
from policies.simulator.terrain import number_of
from policies.worlds import Worlds

Rows = NDArray[np.float32]
"""``float32[N_ROWS, N_CANDIDATE]`` one row after the other, and behind them ``float32[N_CONTEXT]``: one
observation, or several along a first axis."""


_BOUND = 16.0
"""No column goes further: they are logarithms, shares and flags."""

N_ROWS = MOST_SHOWN + 1
"""Of an observation: candidates, and waiting."""


class Terms(Struct, frozen=True, kw_only=True):
    """On which terms a policy is trained."""

    discount_rate_per_s: float = 1.0 / 300.0
    """A joule that is spent five minutes later counts exp(-1) of one now; a wait takes a minute at most."""
    reward_per_joule: float = 1.0


class Seen(NamedTuple):
    """A decision as a policy sees it."""

    rows: Rows
    mask: NDArray[np.bool_]
    """``bool[N_ROWS]``: what may be chosen."""
    shown: list[int]
    """Indices of the candidates in the rows."""

    def row_of(self, choice: int) -> int:
        """Return the row of a candidate, or of WAIT; ValueError where it is not shown."""
        return N_ROWS - 1 if choice == WAIT else self.shown.index(choice)


def seen_of(asked: Choice) -> Seen:
    """Return what a policy sees of a decision."""
    found = features(asked.observation, asked.view, asked.now)
    shown = [way for way in found.ways if way != WAIT]
    seen, mask = np.zeros(N_ROWS * N_CANDIDATE + N_CONTEXT, dtype=np.float32), np.zeros(N_ROWS, dtype=bool)
    rows = seen[:-N_CONTEXT].reshape(N_ROWS, N_CANDIDATE)
    rows[: len(shown)], seen[-N_CONTEXT:], mask[: len(shown)] = found.candidates[: len(shown)], found.context, True
    if len(shown) < len(found.ways):
        rows[-1], mask[-1] = found.candidates[-1], True
    return Seen(seen, mask, shown)


_OVER = Seen(
    np.zeros(N_ROWS * N_CANDIDATE + N_CONTEXT, dtype=np.float32),
    np.array([False] * MOST_SHOWN + [True], dtype=bool),
    [],
)
"""What is seen behind the last decision."""


class MeshEnv(gymnasium.Env[Rows, np.int64]):
    """One world a time, all its nodes' decisions in the order in which they fall.

    **World.** The daemon's own core on every node, under a virtual clock, in a scenario of ``policies/scenario``: all
    nodes' clients ask, telemetry is as old as heartbeats and answers make it, radios sleep and wake, models are warm or
    cold, batteries run down and charge, devices heat up, nodes join, leave and stall, escalation rates drift. A step
    is one ``ChoosePlan`` of one node. Who decides next changes from step to step: one policy serves all nodes, and sees
    each time what that node knows and nothing else. Where only one way is allowed nobody is asked.

    **Observation.** ``float32[N_ROWS * N_CANDIDATE + N_CONTEXT]``: a row for each candidate that may be chosen, in the
    core's order, rows of zeros up to ``MOST_SHOWN``, the row of WAIT, all zeros where that may not be chosen, and the
    context of the decision. The columns are those of :mod:`meshd.policy.layout`, each with its name, unit and scale;
    the daemon computes them with the same code.

    **Action.** ``Discrete(N_ROWS)``: the row to follow. ``action_masks()`` says what is allowed: of the candidates that
    no hard rule of the core forbids the heuristic's choice and the cheapest others; WAIT where the request may wait
    (background requests of the node's own clients, once each; the wait ends when the node's radio wakes, when it begins
    to charge, or when the time is over). Any other action is answered as the daemon answers it: by the heuristic.

    **Reward.** Minus the realised cost between this decision and the next, in joules (times ``reward_per_joule``):
    joules of all nodes, those from the wall at the discount of the settings, + ``latency_price_watts`` for each second
    that a client waited, those in the background at their discount, + ``miss_price_joules`` for each that waited in
    vain, + the scenario's price of each anomaly that a tier hid which a larger one would have called. Seconds and
    misses are charged when a request ends. Every joule counts once; what a node draws whatever is decided counts
    nothing.

    **Discount.** By time and not by decision (semi-Markov): ``info["discount"]`` is exp(-rate * seconds) until the next
    decision, 0 at the end; what is charged between two decisions is discounted within the reward, by its own age.
    Nothing is paid for a decision as such.

    **Debt.** A request that is made to wait owes what the heuristic's way was predicted to cost: that is charged when
    it begins to wait, and given back when it is asked about again or has ended. So waiting is not free to who looks a
    few decisions ahead, and nothing changes in the end: it is a difference of potentials (Ng, Harada and Russell 1999).

    **Episode.** It begins with the first decision of the world. It is terminated, never truncated: nothing arrives
    behind the horizon, and what is alive then runs to its end, waiting requests included; the rest of the costs falls
    to the last decision. ``info["world"]`` names the world, ``info["cost"]`` is its cost so far, undiscounted.

    **Chance.** ``reset(seed=...)`` makes the row of worlds certain; the same world and actions give the same rewards,
    bit for bit. ``reset(options={"scenario": ...})`` plays a given one.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own form

    def __init__(self, worlds: Worlds, terms: Terms | None = None) -> None:
        self.terms = terms or Terms()
        self.observation_space = Box(-_BOUND, _BOUND, (N_ROWS * N_CANDIDATE + N_CONTEXT,), np.float32)
        self.action_space = Discrete(N_ROWS)
        self._worlds = worlds
        self._simulator: Simulator
        self._asked: Choice | None = None
        self._seen = _OVER
        self._owed: dict[int, float] = {}

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Rows, dict[str, Any]]:
        super().reset(seed=seed)
        scenario = (options or {}).get("scenario")
        self._begin(scenario or self._drawn())
        while self._asked is None:
            if scenario is not None:
                raise ValueError(f"{scenario.name}: nothing is to be decided in this world")
            self._begin(self._drawn())
        return self._observed(), self._told()

    @override
    def step(self, action: np.int64) -> tuple[Rows, float, bool, bool, dict[str, Any]]:
        asked, costs = self._asked, self._simulator.costs
        if asked is None:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset")
        n_before, rate_per_s, owed = len(costs), self.terms.discount_rate_per_s, sum(self._owed.values())
        chosen = self.choice_of(int(action))
        if chosen == WAIT and self._seen.mask[-1]:
            self._owed[number_of(asked.observation.request_id)] = _predicted_joules(asked.observation)
        self._simulator.choose(chosen)
        self._asked = self._simulator.next_choice()
        if self._owed:
            self._settle(n_before)
        spent = costs.discounted(n_before, from_s=asked.now, rate_per_s=rate_per_s)
        discount = exp(-rate_per_s * (self._simulator.now - asked.now)) if self._asked is not None else 0.0
        reward = owed - discount * sum(self._owed.values()) - spent
        told = {**self._told(), "discount": discount}
        return self._observed(), reward * self.terms.reward_per_joule, self._asked is None, False, told

    def action_masks(self) -> NDArray[np.bool_]:
        """Return ``bool[N_ROWS]``: what may be chosen now."""
        return self._seen.mask

    def choice_of(self, action: int) -> int:
        """Return what the core is answered: an index of its candidates, or WAIT."""
        if action == N_ROWS - 1:
            return WAIT
        shown = self._seen.shown
        return shown[action] if action < len(shown) else len(self._asked_for.candidates)

    @property
    def asked(self) -> Choice | None:
        """Return what is to be decided, as the core asks it; none when the episode is over."""
        return self._asked

    @property
    def simulator(self) -> Simulator:
        """Return the world; it tells the future."""
        return self._simulator

    @property
    def _asked_for(self) -> Observation:
        assert self._asked is not None, "something is to be decided"
        return self._asked.observation

    def _drawn(self) -> Scenario:
        family = int(self.np_random.integers(len(self._worlds.families)))
        return self._worlds.draw(family, int(self.np_random.integers(self._worlds.n_seeds)))

    def _begin(self, scenario: Scenario) -> None:
        self._simulator = Simulator(scenario)
        self._asked = self._simulator.next_choice()
        self._owed.clear()

    def _settle(self, n_before: int) -> None:
        """Let those owe nothing any more that are asked about now, or have ended since there were so many costs."""
        ended = {one.request for one in self._simulator.costs.since(n_before) if isinstance(one, Ended)}
        asked = set() if self._asked is None else {number_of(self._asked_for.request_id)}
        for request in self._owed.keys() & (ended | asked):
            del self._owed[request]

    def _observed(self) -> Rows:
        self._seen = seen_of(self._asked) if self._asked is not None else _OVER
        return self._seen.rows

    def _told(self) -> dict[str, Any]:
        return {"world": self._simulator.scenario.name, "cost": self._simulator.costs.cost}


def _predicted_joules(observation: Observation) -> float:
    """Return what the heuristic's way is predicted to cost."""
    return observation.candidates[LeastExpectedCost().choose(observation)].prediction.cost
