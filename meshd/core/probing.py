"""Which links to measure before anything large has to pass them, and with how much.

What a class of devices is known for says little of the link that is there. A few heartbeats with bytes behind them say
it before the first decision. They grow only while they are quick: the last one, which is large enough to tell of
bandwidth, is sent only over links that hardly notice it, and a slow radio is left at a packet or two.

One that met a pause makes a good link look slow. So what was measured last is asked for again after a while, and a link
in doubt is tried as a request would try it, where none is there to do so.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from meshd.core.link import Doubt, Link
from meshd.core.node_view import NodeView

STEPS_BYTES = (2_048, 8_192, 65_536)
"""Half of the last one is beyond the bucket that lets the first 32 KiB of a shaped link pass at full speed."""

MOST_S = 0.05
"""What the next step may be expected to take beyond a round trip: what is sent behind it waits so long at most."""

MAINS_INTERVAL_S = 600.0
BATTERY_INTERVAL_S = 6.0 * 3_600.0
"""A link over which nothing has passed for so long is measured anew, in one step: 0.05 J of a watch's radio."""

_AGAIN_S = 5.0
"""Between two steps: the echo of the last one may still be on its way."""

_MOST_TRY_S = 1.5
"""What measuring anew may take of a link that is as slow as it looked; it is done once in minutes, and without it one
pause that an exchange met would be believed for good."""


def choose_probe(own: NodeView, peers: Iterable[NodeView], now: float) -> tuple[NodeView, int] | None:
    """Return the peer whose link to measure now and with how many bytes; none where there is nothing to learn.

    One at a time: two that are measured at once would measure each other.
    """
    for peer in peers:
        link = peer.link
        if link is None or not peer.profile.takes_probes or link.outstanding:
            continue
        if link.doubt is not None:
            n_bytes = _try(link, link.doubt, now)
        elif now - link.probed_s >= _AGAIN_S:
            is_frugal = _is_on_battery(own) or _is_on_battery(peer)
            n_bytes = _next_step(link, BATTERY_INTERVAL_S if is_frugal else MAINS_INTERVAL_S, now)
        else:
            continue
        if n_bytes:
            return peer, n_bytes
    return None


def _try(link: Link, doubt: Doubt, now: float) -> int:
    """Return how large an exchange shows whether a link is still slow; 0 where that is for a request to find out.

    An echo says nothing of requests that did not end, of which a doubt tells no bytes, and a small one nothing of large
    ones that were slow.
    """
    n_bytes = min(doubt.n_bytes, STEPS_BYTES[-1])
    if 4 * n_bytes < doubt.n_bytes or now < max(doubt.until_s, link.probed_s + doubt.lasts_s):
        return 0
    as_it_looks = replace(link, doubt=None)
    return n_bytes if as_it_looks.crossing_s(n_bytes) <= _MOST_TRY_S else 0


def _next_step(link: Link, interval_s: float, now: float) -> int:
    """Return with how many bytes to measure a link; 0 where it is known, too slow to be worth it, or not met yet."""
    if not link.rtt_s.samples:
        return 0
    is_due = now - link.measured_s > interval_s
    if link.is_rate_measured:
        return STEPS_BYTES[-1] if is_due and link.crossing_s(STEPS_BYTES[-1]) <= _MOST_TRY_S else 0
    largest = link.sizes_bytes[-1] if link.sizes_bytes else 0.0
    place = next(place for place, n_bytes in enumerate(STEPS_BYTES) if n_bytes > largest)
    # What is announced is what is to be found out: a larger step is judged by what the one before it took.
    byte_s = link.largest_byte_s if place else link.byte_s
    if STEPS_BYTES[place] * byte_s <= MOST_S:
        return STEPS_BYTES[place]
    return STEPS_BYTES[place - 1] if place and is_due else 0


def _is_on_battery(node: NodeView) -> bool:
    return node.profile.power.battery_joules is not None and not node.telemetry.charging
