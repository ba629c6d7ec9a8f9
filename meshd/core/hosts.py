"""Who hosts a model, in the orders that a decision asks for; found once until somebody hosts something else."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct

from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView

Host = tuple[NodeView, HostedTier]


class Hosts(Struct, frozen=True, kw_only=True):
    """The (node, tier) pairs of one model."""

    all: tuple[Host, ...]
    """Weakest tier first, this node before its peers."""
    by_tier: tuple[tuple[Host, ...], ...]
    """Strongest tier first, and within it the other way round as well."""
    here: tuple[HostedTier, ...]
    """Tiers of this node, weakest first."""

    @classmethod
    def of(cls, found: Iterable[Host]) -> Hosts:
        """Bring hosts in order; this node comes before its peers."""
        ordered = sorted(found, key=lambda host: host[1].tier.rank)
        tiers = groupby(reversed(ordered), key=lambda host: host[1].tier)
        return cls(
            all=tuple(ordered),
            by_tier=tuple(tuple(hosts) for _, hosts in tiers),
            here=tuple(hosted for node, hosted in ordered if node.link is None),
        )
