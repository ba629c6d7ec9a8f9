"""What of ours is on its way over a link: one after the other, for one session carries it."""

from __future__ import annotations

from bisect import bisect_left, insort

from msgspec import Struct

_MOST_KNOWN = 16
"""Exchanges that have ended and may have been before one that ends later; more are hardly ever under way at once."""


class Traffic(Struct, kw_only=True):
    """How long what is sent now waits for what was sent before, and how long what has ended had waited."""

    free_s: float = float("-inf")
    """When all that was sent will have crossed, as predicted."""
    unanswered_s: float = 0.0
    """What crossing takes of all that has no answer: no more of it can be under way."""
    lost_until_s: float = float("-inf")
    """Until when something crosses that nobody waits for any more."""
    sent_s: float = float("-inf")
    """When something was sent last."""
    came_s: list[float] = []
    """When the latest exchanges would have ended if the peer took no time, in order."""

    def wait_s(self, now: float) -> float:
        """Return how long what is sent now waits."""
        return max(0.0, self.lost_until_s - now, min(self.free_s - now, self.unanswered_s))

    def sent(self, crossing_s: float, now: float) -> None:
        """Take in what begins to cross when all before it has."""
        self.free_s = max(now, self.free_s) + crossing_s
        self.unanswered_s += crossing_s
        self.sent_s = now

    def ended(self, crossing_s: float) -> None:
        """Take in that an exchange is over."""
        self.unanswered_s = max(0.0, self.unanswered_s - crossing_s)

    def called_back(self, crossing_s: float, *, begins_s: float, rtt_s: float, now: float) -> None:
        """Take in that what has :meth:`ended` is of no use any more, and was to begin to cross at some time.

        What has not begun is not sent; what has goes on crossing, and what is sent next waits for it.
        """
        if now < begins_s:
            self.free_s -= crossing_s
            return
        self.lost_until_s = max(self.lost_until_s, begins_s + crossing_s)
        self._came(max(now, begins_s + crossing_s) + rtt_s)

    def alone_s(self, transfer_s: float, *, sent_s: float, rtt_s: float) -> float:
        """Return what an exchange took of ``transfer_s`` without the wait for those before it.

        It began to cross when the last byte before it had left, which was a round trip before that one had come.
        """
        came_s = sent_s + transfer_s
        place = bisect_left(self.came_s, came_s)
        before_s = self.came_s[place - 1] if place else sent_s
        self._came(came_s)
        return transfer_s - max(0.0, before_s - rtt_s - sent_s)

    def _came(self, came_s: float) -> None:
        insort(self.came_s, came_s)
        if len(self.came_s) > _MOST_KNOWN:
            del self.came_s[0]
