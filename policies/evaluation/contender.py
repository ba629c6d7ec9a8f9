"""Whoever takes part: a baseline as tuned, or a learned policy as a daemon would serve it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

from meshd.core.policy import Policy
from meshd.errors import PolicyUnusable
from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy
from meshd.policy.served import SHIPPED, SHIPPED_PATH
from policies.baselines import BASELINES
from policies.baselines.tuned import learned, tuned
from policies.errors import NoPolicy
from policies.evaluation.network import Network


class Contender(Struct, frozen=True, kw_only=True):
    """A baseline or the file of a learned policy; small enough to be sent to a process."""

    name: str
    """Of a baseline, ``shipped``, or the path of a policy."""
    parameters: Mapping[str, object] | None = None
    """Of a baseline; none: as tuned for the family."""
    is_guarded: bool = True
    """Whether a learned policy stands behind the daemon's guard."""

    def policy(self, family: str) -> Policy:
        """Return a policy for one node of a world of a family.

        Raises:
            NoPolicy: there is none of the name, or it cannot be run; the message says what to do.
        """
        if self.name in BASELINES:
            given = tuned(self.name, family) if self.parameters is None else self.parameters
            return BASELINES[self.name].policy(given, learned(self.name))
        network = _network(self.name)
        return Guard(network) if self.is_guarded else network

    @property
    def network(self) -> Network | None:
        """Return which network a learned policy is; none of a baseline, which has none.

        Raises:
            NoPolicy: as :meth:`policy`.
        """
        return None if self.name in BASELINES else Network.of(_network(self.name).record)


def _network(name: str) -> LearnedPolicy:
    path = SHIPPED_PATH if name == SHIPPED else Path(name)
    if not path.is_file() or path.suffix != ".onnx":
        message, first = f"There is no policy {name}.", "Name the path of one, an .onnx file"
        if name == SHIPPED:
            message, first = "The shipped policy is missing.", "Install meshd again"
        hint = f"{first}, train one with 'make train', or take a baseline: {', '.join(BASELINES)}."
        raise NoPolicy(message, hint=hint)
    try:
        return _opened(path)
    except PolicyUnusable as error:
        raise NoPolicy(error.message, hint=error.hint or "Export it anew with this version.") from error


@cache
def _opened(path: Path) -> LearnedPolicy:
    """Return a network, opened once for all nodes of a process: it has no memory."""
    return LearnedPolicy(path)
