"""Stages that run or wait on this node: a few slots, and a bounded queue behind them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter

from msgspec import Struct

from meshd.core.ids import ArtifactHash, ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.request import Priority

Token = tuple[RequestId, int]
"""A request and the number of the attempt."""

_URGENCY = {Priority.EMERGENCY: 0, Priority.NORMAL: 1, Priority.BACKGROUND: 2}


class Waiting(Struct, frozen=True, kw_only=True):
    """One stage that wants a slot."""

    token: Token
    priority: Priority
    deadline_s: float
    expected_s: float
    items: int = 1
    then_to: NodeId | None = None
    """Who gets what it gives, where that is to travel on."""
    tier: HostedTier | None = None
    """What it runs whole, and may run together with others; none where it is run alone."""


class Run(Struct, kw_only=True):
    """What holds one slot: a stage, or several that are run as one batch."""

    left: int
    """Members whose end has not been reported."""
    expected_s: float
    has_taught: bool = False
    """Whether what it took was learned from: once, however many were in it."""


_Place = tuple[int, float, int]
"""Urgency, deadline and arrival, each negative: the most urgent is the last of an ascending list, where taking it costs
nothing. A list in order beats heaps here: it gives both ends and any place between, and moving the pointers behind one
of a thousand takes less than the comparisons of a heap."""

_Entry = tuple[_Place, Waiting]
_Kind = tuple[ModelName, DeviceClass, ArtifactHash]


class RunQueue:
    """Most urgent first, the earlier deadline first among equals.

    A stage that was started holds its slot until it is :meth:`ended`, also when nobody waits for its result any more:
    the processor is busy all the same.

    Stages that wait for the same model start together when a slot frees, as far as the seconds of all of them, one
    after the other, stay within the latency that is granted and everybody's deadline. That sum needs no second estimate
    for each size of a batch and errs on the safe side, for a batch takes no longer than its items one by one; what
    batches save shows in the seconds per item that are learned from them, and then more fit in. Nobody waits for others
    to come.
    """

    def __init__(self, slots: int, capacity: int, *, most_members: int = 1, latency_s: float = 0.0) -> None:
        self._slots = slots
        self._capacity = capacity
        self._most_members = most_members
        self._latency_s = latency_s
        self._line: list[_Entry] = []
        self._kinds: dict[_Kind, list[_Entry]] = {}
        self._places: dict[Token, _Entry] = {}
        self._waiting_s = [0.0] * len(_URGENCY)
        self._runs: dict[Token, Run] = {}
        self._running = 0
        self._running_s = 0.0
        self._arrivals = 0
        self._then_to: dict[Token, NodeId] = {}
        self.bound_for: Counter[NodeId] = Counter()
        """How much of what runs or waits here gives something that a peer is to go on with, by the peer."""

    @property
    def queued(self) -> int:
        """Return how many stages wait."""
        return len(self._line)

    @property
    def running(self) -> int:
        """Return how many slots are held."""
        return self._running

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing runs and nothing waits."""
        return not self._running and not self._line

    @property
    def is_full(self) -> bool:
        """Tell whether one more stage would have to push another out."""
        return len(self._line) >= self._capacity

    def can_take(self, priority: Priority) -> bool:
        """Tell whether a stage of this priority finds a place, if need be by pushing out a less urgent one."""
        return not self.is_full or _URGENCY[self._line[0][1].priority] > _URGENCY[priority]

    def start_at_once(self, token: Token, expected_s: float, *, then_to: NodeId | None = None) -> bool:
        """Give a stage a slot without having it wait, if one is free and nobody waits for it; tell whether it did."""
        if self._line or self._running >= self._slots:
            return False
        self._hold((token,), expected_s)
        if then_to is not None:
            self._bind(token, then_to)
        return True

    def push(self, waiting: Waiting) -> Token | None:
        """Queue a stage; return the least urgent one if that is one too many, which may be the new one itself."""
        self._arrivals += 1
        urgency = _URGENCY[waiting.priority]
        entry = ((-urgency, -waiting.deadline_s, -self._arrivals), waiting)
        insort(self._line, entry)
        self._places[waiting.token] = entry
        self._waiting_s[urgency] += waiting.expected_s
        if waiting.then_to is not None:
            self._bind(waiting.token, waiting.then_to)
        if kind := _kind_of(waiting):
            insort(self._kinds.setdefault(kind, []), entry)
        if len(self._line) <= self._capacity:
            return None
        pushed_out = self._line[0][1].token
        self.withdraw(pushed_out)
        return pushed_out

    def start(self, now: float) -> tuple[Token, ...]:
        """Give the next stages a slot, one or several that run as one; none when there is no slot or no stage."""
        if not self._line or self._running >= self._slots:
            return ()
        group = self._group(self._line[-1], now)
        tokens = tuple(self._remove(entry).token for entry in group)
        seconds = sum(waiting.expected_s for _, waiting in group)
        self._hold(tokens, seconds)
        return tokens

    def ended(self, token: Token) -> Run | None:
        """Take in the end of a stage, which frees its slot with the last one in it; none if it is unknown."""
        run = self._runs.pop(token, None)
        if run is None:
            return None
        self._unbind(token)
        run.left -= 1
        if not run.left:
            self._running -= 1
            self._running_s = self._running_s - run.expected_s if self._running else 0.0
        return run

    def withdraw(self, token: Token) -> None:
        """Take a waiting stage out; unknown ones are ignored."""
        if entry := self._places.get(token):
            self._remove(entry)
            self._unbind(token)

    def backlog_s(self) -> float:
        """Return the predicted seconds until a stage that arrives now would start, if it is not urgent."""
        return self.wait_s(Priority.BACKGROUND)

    def wait_s(self, priority: Priority) -> float:
        """Return the same for a stage of this priority, which the less urgent ones let pass."""
        if self._running < self._slots and not self._line:
            return 0.0
        before_s = sum(self._waiting_s[: _URGENCY[priority] + 1])
        return (self._running_s + before_s) / self._slots

    def _hold(self, tokens: tuple[Token, ...], seconds: float) -> None:
        """Let a run have a slot."""
        run = Run(left=len(tokens), expected_s=seconds)
        for token in tokens:
            self._runs[token] = run
        self._running += 1
        self._running_s += seconds

    def _bind(self, token: Token, then_to: NodeId) -> None:
        self._then_to[token] = then_to
        self.bound_for[then_to] += 1

    def _unbind(self, token: Token) -> None:
        then_to = self._then_to.pop(token, None)
        if then_to is not None:
            self.bound_for[then_to] -= 1
            if not self.bound_for[then_to]:
                del self.bound_for[then_to]

    def _group(self, first: _Entry, now: float) -> list[_Entry]:
        """Return a stage with those behind it that may run in the same batch."""
        kind = _kind_of(first[1])
        if kind is None or self._most_members == 1:
            return [first]
        assert first[1].tier is not None, "what has a kind has a tier"
        group: list[_Entry] = []
        items, seconds, due_s = 0, 0.0, now + self._latency_s
        for entry in reversed(self._kinds[kind]):
            waiting = entry[1]
            items, seconds = items + waiting.items, seconds + waiting.expected_s
            due_s = min(due_s, waiting.deadline_s)
            if group and (items > first[1].tier.max_items or now + seconds > due_s):
                break
            group.append(entry)
            if len(group) == self._most_members:
                break
        return group

    def _remove(self, entry: _Entry) -> Waiting:
        waiting = entry[1]
        urgency = _URGENCY[waiting.priority]
        del self._places[waiting.token]
        _take(self._line, entry)
        self._waiting_s[urgency] -= waiting.expected_s
        if not self._line:
            self._waiting_s = [0.0] * len(_URGENCY)  # Sums of differences drift; an empty line is known to be short.
        if kind := _kind_of(waiting):
            alike = self._kinds[kind]
            _take(alike, entry)
            if not alike:
                del self._kinds[kind]
        return waiting


def _take(line: list[_Entry], entry: _Entry) -> None:
    if line[-1] is entry:
        line.pop()
    else:
        del line[bisect_left(line, entry)]


def _kind_of(waiting: Waiting) -> _Kind | None:
    """Return what stages must have in common to run as one; none where one is run alone."""
    tier = waiting.tier
    return (tier.model, tier.tier, tier.artifact) if tier is not None and tier.max_items > 1 else None
