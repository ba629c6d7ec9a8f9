"""All numbers of the recipe in one place."""

from __future__ import annotations

from dataclasses import dataclass

from policies.env import Terms
from policies.imitation import Lesson
from policies.labels import Lookout
from policies.network import Form


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """All that the recipe may be varied by."""

    seed: int = 1
    # The network.
    n_members: int = 3
    """That judge by themselves, and whose mean is served."""
    width: int = 56
    """Of each."""
    temperature_joules: float = 0.02
    """In reinforcement, of two ways that differ by so much one is e times as likely as the other."""
    wait_joules: float = 0.1
    """What waiting costs at first, beyond the heuristic's choice."""
    # The environment.
    discount_rate_per_s: float = 1.0 / 300.0
    reward_per_joule: float = 0.02
    """So that returns are about 1."""
    # Labels and imitation.
    n_rounds: int = 3
    """Of labels: first beside the heuristic's tracks, then beside those of what was learned from all before."""
    n_label_seeds: int = 110
    """Worlds of each family and round from which decisions are labelled."""
    look_ahead_s: float = 3.0
    label_share: float = 0.4
    lesson_epochs: int = 20
    lesson_rate: float = 1e-3
    lesson_scale_power: float = 0.5
    lesson_most_joules: float = 1.0
    lesson_huber_joules: float = 0.3
    lesson_temperature_joules: float = 0.1
    lesson_regret_weight: float = 3.0
    # Reinforcement.
    n_decisions: int = 100_000
    n_envs: int = 32
    n_steps: int = 512
    batch_size: int = 1024
    n_epochs: int = 4
    learning_rate: float = 2e-4
    """At first; at 1e-3 what luck did to single decisions carries the policy away. It falls in a line to a tenth."""
    gae_lambda: float = 0.9
    entropy_weight: float = 0.01
    target_kl: float = 0.01
    n_critic_rollouts: int = 2
    """At first, from which only the critic learns: it knows nothing yet of the policy that the actor brings along."""
    # Choosing.
    n_validation_seeds: int = 40
    validate_every: int = 9
    """Rollouts."""

    @property
    def form(self) -> Form:
        """Return the network's."""
        return Form(
            n_members=self.n_members,
            width=self.width,
            temperature_joules=self.temperature_joules,
            wait_joules=self.wait_joules,
        )

    @property
    def lookout(self) -> Lookout:
        """Return how labels are made."""
        return Lookout(look_ahead_s=self.look_ahead_s, share=self.label_share)

    @property
    def lesson(self) -> Lesson:
        """Return how a network learns from labels."""
        return Lesson(
            n_epochs=self.lesson_epochs,
            learning_rate=self.lesson_rate,
            scale_power=self.lesson_scale_power,
            most_joules=self.lesson_most_joules,
            huber_joules=self.lesson_huber_joules,
            temperature_joules=self.lesson_temperature_joules,
            regret_weight=self.lesson_regret_weight,
        )

    @property
    def terms(self) -> Terms:
        """Return the environment's."""
        return Terms(
            discount_rate_per_s=self.discount_rate_per_s,
            reward_per_joule=self.reward_per_joule,
        )
