"""Rules that a learned policy is held against, each faithful to its source and tuned for each family of worlds."""

from policies.baselines.catalogue import BASELINES, DEFAULT, SINGLE, Baseline
from policies.baselines.learner import Learner, root_of

__all__ = ["BASELINES", "DEFAULT", "SINGLE", "Baseline", "Learner", "root_of"]
