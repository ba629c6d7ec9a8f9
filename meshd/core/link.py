"""What this node knows of the way to a peer: its round trip, and how long exchanges of which size took.

The time of an exchange is no straight line in its size. A shaped link lets its first kilobytes pass at full speed, and
TCP begins slowly: a line through small exchanges says nothing of large ones. So exchanges are kept by their size, each
class with its own mean, and what lies between two of them is read off the line between them.

Nothing measures a link that looks too slow to be used. So what made it look slow is doubted after a while, and one
request at a time may try whether it still is.
"""

from __future__ import annotations

from bisect import bisect_right
from math import sqrt
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

from meshd.core.estimate import Estimate
from meshd.core.traffic import Traffic

_SHORTEST_TRANSFER_S = 1e-6
"""Clocks tell no less; without a floor one exchange of no length would make a link free for good."""

_LARGE_BYTES = 32_768
"""Only exchanges of at least so many bytes tell of bandwidth: token buckets at home hold 5 to 32 KiB."""

_PACKET_BYTES = 1_500
"""An exchange of one packet is a round trip and nothing else."""

_WEIGHT = 0.3
"""Share of a new sample once a class has a few: five replace five sixths."""

_FIRST_RTT_S = 0.02
"""Round trip believed of a link before the first answer: a home's Wi-Fi, at the slow end."""

_SURPRISE = 2.0
"""An exchange that takes more than so many times as long as predicted, or as many times less, is a surprise: two in a
row mean another link than before. One alone may have met a pause of the other process. What moves by less is followed
within four exchanges."""

_CONFIRMED = 2
"""Surprises in a row, all in one direction."""

_UNMEASURED = 0.5
"""Relative standard deviation where no exchange was measured."""

NOTICED = 0.1
"""What takes a tenth more or less on a link changes no plan; every heartbeat, every exchange moves it a little."""

_SPREAD_WEIGHT = 0.2
_STALE_AFTER_S = 30.0
"""An age at which the spread has doubled, as with every estimate."""


_SILENT_S = 5.0
"""How long a link is believed slow because something that was sent over it has not ended: a peer that was frozen or
died may be back by then, and nothing was measured."""
_SLOW_S = 45.0
"""The same because something that did end took long: seldom enough for a link that stays slow, and one that was slow
for a moment is used again within a minute."""
_LONGEST_S = 240.0
"""Each time that a try confirms it, it is believed twice as long, up to this."""


class _Exchange(Struct, kw_only=True, gc=False):
    """The mean of the exchanges of one class of size."""

    n_bytes: float
    seconds: float
    samples: int = 1


class Doubt(Struct, kw_only=True):
    """Why a link looks slow, and until when that is believed."""

    until_s: float
    lasts_s: float
    n_bytes: int = 0
    late_s: float = 0.0
    """Seconds beyond what was predicted after which something had not ended."""
    former: Link | None = None
    """What was known before exchanges of ``n_bytes`` took long; none where only something did not end."""
    is_tried: bool = False
    """Whether predictions leave it aside, for one request."""

    def confirmed(self, now: float) -> None:
        """Believe it for longer where it had been believed long enough; many that fail together are one failure."""
        if now >= self.until_s:
            self.lasts_s = min(2.0 * self.lasts_s, _LONGEST_S)
            self.until_s = now + self.lasts_s
        self.is_tried = False


class Link(Struct, kw_only=True):
    """The directed pair from this node to a peer."""

    rtt_s: Estimate
    byte_s: float
    """Seconds per byte beyond the largest exchange that was measured; as announced before one was."""
    outstanding: int = 0
    """Requests of ours that are there now; younger than any telemetry."""
    traffic: Traffic = field(default_factory=Traffic)
    """What of them is on its way."""
    version: int = 0
    """Grows whenever predictions change."""
    measured_s: float = float("-inf")
    """When an exchange was measured last."""
    probed_s: float = float("-inf")
    """When a heartbeat with bytes behind it was sent last."""
    exchanges: dict[int, _Exchange] = {}
    """By class of size: each is four times the one below."""
    sizes_bytes: list[float] = []
    times_s: list[float] = []
    """The curve through the exchanges, the smallest first; both begin with an exchange of nothing."""
    drawn_rtt_s: float = 0.0
    """The round trip that the curve and the version belong to."""
    surprises: int = 0
    """In a row; negative where they were shorter than predicted."""
    squared_error: float = _UNMEASURED**2
    """Mean square of the relative errors of the predictions."""
    doubt: Doubt | None = None
    """Why it looks slow, if it does; :meth:`weigh` says whether predictions are to heed it."""

    @classmethod
    def unused(cls, radio_bps: float, now: float) -> Self:
        """Return a link that nothing has crossed yet, over radios of which the slower gives so many bits a second."""
        return cls(rtt_s=Estimate.prior(_FIRST_RTT_S, now), byte_s=8.0 / radio_bps)

    @property
    def is_measured(self) -> bool:
        """Tell whether an exchange or an echo has told of it."""
        return bool(self.sizes_bytes) or self.rtt_s.samples > 0

    @property
    def is_rate_measured(self) -> bool:
        """Tell whether an exchange was large enough to tell of bandwidth."""
        return bool(self.sizes_bytes) and self.sizes_bytes[-1] >= _LARGE_BYTES

    @property
    def is_probed_alone(self) -> bool:
        """Tell whether nothing of ours was sent since a heartbeat had bytes behind it: what it met is the link."""
        return self.traffic.sent_s < self.probed_s

    @property
    def largest_byte_s(self) -> float:
        """Return the seconds per byte of the largest exchange by itself: smaller ones that took longer met a pause."""
        largest = max(self.exchanges.values(), key=lambda exchange: exchange.n_bytes, default=None)
        return max(0.0, largest.seconds - self.rtt_s.mean) / largest.n_bytes if largest else self.byte_s

    def transfer_s(self, n_bytes: float) -> float:
        """Return the expected seconds to move this many bytes, both directions together."""
        doubt = self.doubt
        if doubt is None:
            return self._measured_s(n_bytes) if self.sizes_bytes else self.rtt_s.mean + n_bytes * self.byte_s
        return self._undoubted_s(n_bytes) if doubt.is_tried else self._measured_s(n_bytes) + doubt.late_s

    def crossing_s(self, n_bytes: float) -> float:
        """Return how long the link is taken by this many bytes: what comes behind them waits for so long."""
        return max(0.0, self.transfer_s(n_bytes) - self.transfer_s(0.0))

    def waiting(self, now: float) -> float:
        """Return about how many of our requests are on its way: the rest of the outstanding ones have arrived."""
        if not self.outstanding:
            return 0.0
        line_s = self.traffic.wait_s(now)
        return self.outstanding * line_s / max(line_s, self.traffic.unanswered_s) if line_s else 0.0

    def _undoubted_s(self, n_bytes: float) -> float:
        former = self.doubt.former if self.doubt is not None else None
        return self._measured_s(n_bytes) if former is None else former.transfer_s(n_bytes)

    def _measured_s(self, n_bytes: float) -> float:
        sizes = self.sizes_bytes
        if not sizes:
            return self.rtt_s.mean + n_bytes * self.byte_s
        times_s = self.times_s
        if n_bytes >= sizes[-1]:
            return times_s[-1] + (n_bytes - sizes[-1]) * self.byte_s
        above = bisect_right(sizes, n_bytes)
        share = (n_bytes - sizes[above - 1]) / (sizes[above] - sizes[above - 1])
        return times_s[above - 1] + share * (times_s[above] - times_s[above - 1])

    def spread(self, n_bytes: float, now: float) -> float:
        """Return the standard deviation of :meth:`transfer_s` as a share of it; it grows with age, up to a bound."""
        if not self._has_measured(n_bytes):
            return _UNMEASURED
        grown = 1.0 + max(0.0, now - self.measured_s) / _STALE_AFTER_S
        return min(_UNMEASURED, sqrt(self.squared_error) * grown)

    def deviation_s(self, n_bytes: float, now: float) -> float:
        """Return the standard deviation of :meth:`transfer_s`."""
        return self.transfer_s(n_bytes) * self.spread(n_bytes, now)

    def echoed(self, rtt_s: float, now: float) -> None:
        """Learn from the echo of a heartbeat."""
        self._learn_rtt(rtt_s, now)
        if abs(self.rtt_s.mean - self.drawn_rtt_s) > NOTICED * self.drawn_rtt_s:
            self._draw()

    def measured(self, n_bytes: int, transfer_s: float, now: float) -> bool:
        """Learn from one exchange that moved ``n_bytes`` in ``transfer_s``, both directions together.

        Return whether that shows another link than before: two surprises in a row do.
        """
        n_bytes, transfer_s = max(n_bytes, 1), max(transfer_s, _SHORTEST_TRANSFER_S)
        self._settle(n_bytes, transfer_s, now)
        relative = transfer_s / max(self._measured_s(n_bytes), _SHORTEST_TRANSFER_S)
        self.measured_s = now
        if n_bytes <= _PACKET_BYTES:
            self._learn_rtt(transfer_s, now)
        self._take_in(n_bytes, transfer_s, relative)
        self._draw()
        return abs(self.surprises) == _CONFIRMED

    def overdue(self, n_bytes: int, at_least_s: float, now: float) -> None:
        """Doubt the link for an exchange that has not ended after ``at_least_s``; not where that was to be expected."""
        if at_least_s <= self._undoubted_s(n_bytes):
            return
        if self.doubt is None:
            self.doubt = Doubt(until_s=now + _SILENT_S, lasts_s=_SILENT_S)
        self.doubt.confirmed(now)
        self.doubt.late_s = max(self.doubt.late_s, at_least_s - self._measured_s(n_bytes))
        self.version += 1

    def weigh(self, now: float) -> None:
        """Leave a doubt aside if it is old and nobody is trying the link; heed it otherwise."""
        doubt = self.doubt
        if doubt is not None:
            is_tried = now >= doubt.until_s and self.outstanding == 0
            self.version += is_tried is not doubt.is_tried
            doubt.is_tried = is_tried

    def reborn(self, now: float) -> None:
        """Let the next request try it: who is at its other end knows nothing of what did not end, or took long."""
        if self.doubt is not None:
            self.doubt.until_s, self.doubt.lasts_s = now, _SILENT_S

    def _has_measured(self, n_bytes: float) -> bool:
        """Tell whether exchanges of about this size were measured: what is believed of others was only announced."""
        return bool(self.sizes_bytes) and n_bytes <= 4.0 * self.sizes_bytes[-1]

    def _settle(self, n_bytes: int, transfer_s: float, now: float) -> None:
        """End a doubt by an exchange that has ended, or find it confirmed: it takes as long as the slow ones.

        A small one says nothing of large ones that were slow. A link that is slower than it was announced to be was
        never faster: there is nothing to go back to.
        """
        doubt = self.doubt
        if doubt is None:
            if self._has_measured(n_bytes) and transfer_s > _SURPRISE * self._measured_s(n_bytes):
                former = self._as_it_is()
                self.doubt = Doubt(until_s=now + _SLOW_S, lasts_s=_SLOW_S, n_bytes=n_bytes, former=former)
            return
        doubt.late_s = 0.0
        if doubt.former is None:
            self._trust()
        elif 4 * n_bytes >= doubt.n_bytes:
            if transfer_s <= _SURPRISE * self._undoubted_s(n_bytes):
                self._trust()
            else:
                doubt.confirmed(now)

    def _as_it_is(self) -> Link:
        """Return what predictions rest on now; curves are drawn anew and never changed, so they are shared."""
        exchanges = {size_class: replace(known) for size_class, known in self.exchanges.items()}
        return replace(self, exchanges=exchanges, traffic=Traffic())

    def _trust(self) -> None:
        """Go back to what was known before it looked slow."""
        former = self.doubt.former if self.doubt is not None else None
        self.doubt = None
        if former is not None:
            self.exchanges, self.byte_s = former.exchanges, former.byte_s
            self.sizes_bytes, self.times_s = former.sizes_bytes, former.times_s
            self.squared_error, self.surprises = former.squared_error, 0

    def _learn_rtt(self, rtt_s: float, now: float) -> None:
        """Believe the first measurement: what a link was taken for before is no measurement at all."""
        believed = self.rtt_s if self.rtt_s.samples else Estimate.prior(rtt_s, now)
        self.rtt_s = believed.updated(rtt_s, now)

    def _take_in(self, n_bytes: int, transfer_s: float, relative: float) -> None:
        size_class = n_bytes.bit_length() // 2
        known = self.exchanges.get(size_class)
        if not 1.0 / _SURPRISE <= relative <= _SURPRISE:
            self._surprised(size_class, n_bytes, transfer_s, relative)
            return
        self.surprises = 0
        if known is None:
            self.exchanges[size_class] = _Exchange(n_bytes=n_bytes, seconds=transfer_s)
            return
        self.squared_error += _SPREAD_WEIGHT * (min((relative - 1.0) ** 2, 1.0) - self.squared_error)
        known.samples += 1
        weight = max(_WEIGHT, 1.0 / known.samples)
        known.n_bytes += weight * (n_bytes - known.n_bytes)
        known.seconds += weight * (transfer_s - known.seconds)

    def _surprised(self, size_class: int, n_bytes: int, transfer_s: float, relative: float) -> None:
        """Go half of the way at the first surprise, and all of it at the second in a row.

        Half of the way is meant in orders of magnitude. A large exchange that surprises twice tells of another link
        than the one that the other classes were measured on; a small one speaks for its own size only.
        """
        direction = 1 if relative > 1.0 else -1
        was = self.surprises
        self.surprises = was + direction if was * direction >= 0 else direction
        self.squared_error = _UNMEASURED**2
        confirmed = abs(self.surprises) >= _CONFIRMED
        if confirmed and n_bytes >= _LARGE_BYTES:
            self.exchanges = {}
        elif not confirmed and size_class in self.exchanges:
            transfer_s /= sqrt(relative)
        self.exchanges[size_class] = _Exchange(n_bytes=n_bytes, seconds=transfer_s)

    def _draw(self) -> None:
        """Draw the curve through what was measured."""
        self.version += 1
        self.drawn_rtt_s = self.rtt_s.mean
        points = sorted((e.n_bytes, e.seconds) for e in self.exchanges.values())
        if not points:
            return
        self.sizes_bytes, self.times_s = [0.0], [min(self.rtt_s.mean, points[0][1])]
        for n_bytes, seconds in points:
            self.sizes_bytes.append(n_bytes)
            self.times_s.append(max(seconds, self.times_s[-1]))
        if self.sizes_bytes[-1] >= _LARGE_BYTES:
            self.byte_s = self._slope()

    def _slope(self) -> float:
        """Return the seconds per byte of large exchanges: between two of them, or of the only one."""
        largest, seconds = self.sizes_bytes[-1], self.times_s[-1]
        alone = (seconds - self.times_s[0]) / largest
        large = [
            (n, s) for n, s in zip(self.sizes_bytes, self.times_s, strict=True) if _LARGE_BYTES <= n <= largest / 3.0
        ]
        if not large:
            return alone
        n_bytes, before_s = large[-1]
        return max((seconds - before_s) / (largest - n_bytes), alone / 2.0)
