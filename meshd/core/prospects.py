"""What tails of one variant on its peers take at best, kept for each peer until what it depends on changes."""

from __future__ import annotations

from math import inf

from meshd.core.encodings import Passage
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView, Prospect
from meshd.core.privacy import open_cuts

_MOST_PROSPECTS = 64
"""Kept for one peer: one for each variant, size of batch and length of input."""


class Prospects:
    """The prospects of a variant that this node hosts itself, for one kind of input; what is cut here travels.

    0 ``input_bytes``: they are not known here.
    """

    def __init__(
        self,
        view: MeshView,
        own: HostedTier,
        *,
        items: int,
        input_bytes: int,
        item_bytes: float,
        lossless: bool = False,
    ) -> None:
        self._view = view
        self._own = own
        self._items = items
        self._input_bytes = input_bytes
        self._item_bytes = item_bytes if own.sizes else 0.0
        self._lossless = lossless
        # As one string, whose hash is computed once: it is looked up at every peer.
        self._key = f"{own.model} {own.artifact} {own.tier} {items} {input_bytes} {self._item_bytes} {lossless}"
        self._versions = (view.encodings.version, view.crossings.version, view.own.times.version)

    def of(self, node: NodeView, hosted: HostedTier) -> Prospect:
        """Return what tails on a peer take at best."""
        link, known = node.link, node.prospects.get(self._key)
        assert link is not None, "nothing travels to this node itself"
        if (
            known is None
            or known.link_version != link.version
            or known.times_version != node.times.version
            or known.own_versions != self._versions
        ):
            if len(node.prospects) >= _MOST_PROSPECTS:
                node.prospects.clear()
            known = node.prospects[self._key] = self._found(node, hosted, link.version)
        return known

    def _found(self, node: NodeView, hosted: HostedTier, link_version: int) -> Prospect:
        own, items = self._own, self._items
        passages = [self._passage(node, stage) for stage in range(1, len(own.stages))]
        fits = len(hosted.stages) == len(own.stages)
        cuts = [cut for cut in open_cuts(own.stages) if hosted.stages[cut - 1].may_travel] if fits else []
        heads_s = self._view.own.times.spans(own, self._item_bytes).seconds[0]
        tails = node.times.spans(hosted, self._item_bytes).seconds
        tails_s = [passages[cut - 1].seconds + tails[cut][-1] * items for cut in cuts]
        wholes_s = [heads_s[cut] * items + tail_s for cut, tail_s in zip(cuts, tails_s, strict=True)]
        ways_s = [heads_s[cut] * items + passages[cut - 1].seconds for cut in cuts]
        return Prospect(
            link_version=link_version,
            times_version=node.times.version,
            own_versions=self._versions,
            cuts=tuple(cuts),
            passages=(None, *passages),
            least_s=min(wholes_s, default=inf),
            least_tail_s=min(tails_s, default=inf),
            least_way_s=min(ways_s, default=inf),
        )

    def _passage(self, node: NodeView, stage: int) -> Passage:
        own, items = self._own, self._items
        n_bytes = self._view.crossings.bytes_before(own, stage, input_bytes=self._input_bytes, items=items)
        return self._view.passage(node, own, stage, n_bytes=n_bytes, items=items, lossless=self._lossless)
