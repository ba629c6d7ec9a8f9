"""The port of a policy that learns while it is used."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from meshd.core.policy import Policy


@runtime_checkable
class Learner(Policy, Protocol):
    """Is told what became of the requests that it has decided; ``is_steady`` is False."""

    @property
    def memory(self) -> object:
        """Return what it has learned, to be kept."""
        ...

    def learn(self, request: str, cost: float) -> None:
        """Take in what a request has cost, all nodes together, when its client has its answer.

        ``request`` is the id without the names of its parts. Whoever decided nothing for it passes it over.
        """
        ...


def root_of(request_id: str) -> str:
    """Return the client's request that this one is, or is a part of."""
    return request_id.partition("/")[0]
