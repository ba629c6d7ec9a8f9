"""Shares of a batch: items in proportion to speed, so that all nodes end together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from meshd.core.candidate import Candidate, Prediction
from meshd.core.cost import CostModel, Onward
from meshd.core.course import Course
from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.node_view import NodeView
from meshd.core.plan import Share

_MOST_SHARES = 4
"""Nodes that one batch is shared by: each takes a message there and back, and the slowest counts."""


class Host(Struct, frozen=True, kw_only=True, gc=False):
    """One node that may run some of the items, as a line: ``fixed_s + items * item_s``."""

    node: NodeView
    hosted: HostedTier
    fixed_s: float
    item_s: float


class Sharer:
    """Offers ways to share one batch among nodes that host the very same artifact."""

    def __init__(self, cost: CostModel, onward: Onward) -> None:
        self._cost = cost
        self._onward = onward
        self._batch = cost.request.batch

    def offer(self, hosts: Sequence[tuple[NodeView, HostedTier]]) -> list[Candidate]:
        """Return the best way to share among two nodes, and the best among more if that is sooner."""
        lines = sorted((self._line(node, hosted) for node, hosted in hosts), key=self._half_s)
        two = self._shared(lines[:2])
        if two is None:
            return []
        many = [self._shared(lines[:n]) for n in range(3, min(len(lines), _MOST_SHARES, self._batch) + 1)]
        sooner = [way for way in many if way is not None and way.prediction.total_s < two.prediction.total_s]
        return [two, *sorted(sooner, key=lambda way: way.prediction.total_s)[:1]]

    def named(self, hosts: Sequence[tuple[NodeView, HostedTier]], place: str) -> list[Candidate]:
        """Return the shares that an asker named, as ``band x3, kitchen x5``, if they make up the batch."""
        items: list[tuple[Host, int]] = []
        rest = place
        while rest:
            taken = next((found for host in hosts if (found := _first_named(host, rest))), None)
            if taken is None:
                return []
            (node, hosted), n_items, rest = taken
            items.append((self._line(node, hosted), n_items))
        nodes = {host.node.profile.node_id for host, _ in items}
        if len(nodes) < len(items) or len(items) < 2 or sum(n for _, n in items) != self._batch:
            return []
        return [self._candidate(items)]

    def _half_s(self, host: Host) -> float:
        return host.fixed_s + host.item_s * self._batch / 2.0

    def _line(self, node: NodeView, hosted: HostedTier) -> Host:
        item_s, fixed_s = node.item_s(hosted, self._cost.item_bytes), self._cost.load_s(node, hosted)
        fixed_s += self._cost.wait_s(node, item_s)
        if node.link is not None:
            one, all_of_them = (self._cost.input_passage(node, hosted, n).seconds for n in (1, self._batch))
            link_item_s = max(0.0, all_of_them - one) / (self._batch - 1)
            fixed_s += one - link_item_s
            item_s += link_item_s
        return Host(node=node, hosted=hosted, fixed_s=fixed_s, item_s=max(item_s, 1e-9))

    def _shared(self, lines: Sequence[Host]) -> Candidate | None:
        items = [(host, n) for host, n in zip(lines, filled(lines, self._batch), strict=True) if n]
        return self._candidate(items) if len(items) > 1 else None

    def _candidate(self, items: Sequence[tuple[Host, int]]) -> Candidate:
        own = self._cost.view.own.profile
        runs = [(host, n, *self._cost.whole_course(host.node, host.hosted, n)) for host, n in items]
        shares = tuple(
            Share(
                node_id=host.node.profile.node_id,
                node=host.node.profile.name,
                items=n,
                codec=codec,
                seconds=course.until_s,
                transfer_s=course.transfer_s,
            )
            for host, n, course, codec in runs
        )
        tier = items[0][0].hosted
        return Candidate(
            node_id=own.node_id,
            node=own.name,
            here=True,
            tier=tier,
            prediction=self._priced([course for _, _, course, _ in runs], tier),
            shares=shares,
        )

    def _priced(self, courses: Sequence[Course], tier: HostedTier) -> Prediction:
        """Return what all of them take: the seconds of the last to end, the joules and delays of all."""
        last = max(courses, key=lambda course: course.until_s)
        together = Course(
            queue_s=last.queue_s,
            load_s=last.load_s,
            compute_s=last.compute_s,
            transfer_s=last.transfer_s,
            handling_s=last.handling_s,
            variance=max(course.variance for course in courses),
            delay_s=sum(course.delay_s for course in courses),
            joules=sum(course.joules for course in courses),
            own_joules=sum(course.own_joules for course in courses),
            weighted_joules=sum(course.weighted_joules for course in courses),
            load_joules=sum(course.load_joules for course in courses),
        )
        return self._cost.priced(together, tier, self._onward)


def filled(lines: Sequence[Host], batch: int) -> list[int]:
    """Return how many items each node takes, so that the last to end ends as early as possible.

    Water-filling: nodes are filled up to one level of time, the soonest first, and what rounding leaves goes one by one
    to whoever would end first with it.
    """
    level_s = _level_s(sorted(lines, key=lambda line: line.fixed_s), batch)
    items = [max(0, int((level_s - line.fixed_s) / line.item_s)) for line in lines]
    while sum(items) > batch:  # The level was rounded up.
        items[_slowest(lines, items)] -= 1
    for _ in range(batch - sum(items)):
        ends_s = [line.fixed_s + (n + 1) * line.item_s for line, n in zip(lines, items, strict=True)]
        items[ends_s.index(min(ends_s))] += 1
    return items


def _level_s(lines: Sequence[Host], batch: int) -> float:
    """Return the time by which the first so many nodes have taken the whole batch."""
    rate = weighted_s = 0.0
    level_s = float("inf")
    for line in lines:
        if line.fixed_s >= level_s:
            break
        rate += 1.0 / line.item_s
        weighted_s += line.fixed_s / line.item_s
        level_s = (batch + weighted_s) / rate
    return level_s


def _slowest(lines: Sequence[Host], items: Sequence[int]) -> int:
    ends_s = [line.fixed_s + n * line.item_s if n else -1.0 for line, n in zip(lines, items, strict=True)]
    return ends_s.index(max(ends_s))


def _first_named(host: tuple[NodeView, HostedTier], place: str) -> tuple[tuple[NodeView, HostedTier], int, str] | None:
    """Return a node, its items and what follows, if a place begins with it."""
    beginning = f"{host[0].profile.name} x"
    if not place.startswith(beginning):
        return None
    number, _, rest = place[len(beginning) :].partition(", ")
    return (host, int(number), rest) if number.isdecimal() and int(number) > 0 else None


def alike(hosts: Sequence[tuple[NodeView, HostedTier]]) -> Iterator[list[tuple[NodeView, HostedTier]]]:
    """Yield the hosts of every tier and artifact that several have and that takes batches, each of them once.

    Outputs of another artifact differ a little; in another tier the same ones mean something else.
    """
    groups: dict[tuple[DeviceClass, ArtifactHash], dict[NodeId, tuple[NodeView, HostedTier]]] = {}
    for node, hosted in hosts:
        if hosted.max_items > 1:
            groups.setdefault((hosted.tier, hosted.artifact), {}).setdefault(node.profile.node_id, (node, hosted))
    yield from (list(group.values()) for group in groups.values() if len(group) > 1)
