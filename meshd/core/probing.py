"""Which links to measure before anything large has to pass them, and with how much.

What a class of devices is known for says little of the link that is there. A few heartbeats with bytes behind them say
it before the first decision. They grow only while they are quick: the last one, which is large enough to tell of
bandwidth, is sent only over links that hardly notice it, and a slow radio is left at a packet or two.
"""

from __future__ import annotations

from collections.abc import Iterable

from meshd.core.link import Link
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


def choose_probe(own: NodeView, peers: Iterable[NodeView], now: float) -> tuple[NodeView, int] | None:
    """Return the peer whose link to measure now and with how many bytes; none where there is nothing to learn.

    One at a time: two that are measured at once would measure each other.
    """
    for peer in peers:
        link = peer.link
        if link is None or link.outstanding or link.doubt is not None or now - link.probed_s < _AGAIN_S:
            continue
        is_frugal = _is_on_battery(own) or _is_on_battery(peer)
        n_bytes = _next_step(link, BATTERY_INTERVAL_S if is_frugal else MAINS_INTERVAL_S, now)
        if n_bytes:
            return peer, n_bytes
    return None


def _next_step(link: Link, interval_s: float, now: float) -> int:
    """Return with how many bytes to measure a link; 0 where it is known, too slow to be worth it, or not met yet."""
    if not link.rtt_s.samples:
        return 0
    if link.is_rate_measured:
        is_due = now - link.measured_s > interval_s and link.crossing_s(STEPS_BYTES[-1]) <= MOST_S
        return STEPS_BYTES[-1] if is_due else 0
    largest = link.sizes[-1] if link.sizes else 0.0
    step = next(n_bytes for n_bytes in STEPS_BYTES if n_bytes > largest)
    # What is announced is what is to be found out: a larger step is judged by what the one before it took.
    byte_s = max(0.0, link.times_s[-1] - link.rtt_s.mean) / largest if largest else link.byte_s
    return step if step * byte_s <= MOST_S else 0


def _is_on_battery(node: NodeView) -> bool:
    return node.profile.power.battery_joules is not None and not node.telemetry.charging
