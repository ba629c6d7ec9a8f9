"""What can be had at most: by whoever sees the future, and by nobody."""

from policies.bounds.planner import Foresight, foresee
from policies.bounds.relaxation import least_cost

__all__ = ["Foresight", "foresee", "least_cost"]
