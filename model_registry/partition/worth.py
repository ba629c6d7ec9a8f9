"""Where a split would be the soonest way for one request: an estimate from what was measured, over links and speeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_registry.partition.proof import Timed

SLOWER = 10.0
"""Times: how much slower the device with the head is than the one that measured, about a watch to a desktop."""
RTT_S = 0.002
_GAIN = 1.1
"""A plan is split only for at least so much."""
_RATES_BPS = np.geomspace(1e5, 1e9, 161)[:, None]
_RATIOS = np.geomspace(1.0, 100.0, 81)[None, :]
"""How many times faster than the head's device the other one is; both as on the map of plans."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """The links over which a split wins at some speed of the other device."""

    slowest_bps: float
    fastest_bps: float
    least_ratio: float
    """Times: how much faster the other device has to be at least, over the best of these links."""


def worth(times: Sequence[Timed], crossing_bytes: Sequence[float], input_bytes: float) -> Worth | None:
    """Return where one of the places wins a tenth over the whole here and the whole there; none if nowhere."""
    wins = np.zeros((_RATES_BPS.size, _RATIOS.size), bool)
    for timed, n_bytes in zip(times, crossing_bytes, strict=True):
        head_s, tail_s, here_s = (SLOWER * ms / 1e3 for ms in (timed.head_ms, timed.tail_ms, timed.whole_ms))
        there_s = RTT_S + 8.0 * input_bytes / _RATES_BPS + here_s / _RATIOS
        split_s = head_s + RTT_S + 8.0 * n_bytes / _RATES_BPS + tail_s / _RATIOS
        wins |= split_s * _GAIN <= np.minimum(here_s, there_s)
    if not wins.any():
        return None
    rows, columns = np.nonzero(wins)
    rates_bps, ratios = _RATES_BPS.ravel()[rows], _RATIOS.ravel()[columns]
    return Worth(
        slowest_bps=float(rates_bps.min()), fastest_bps=float(rates_bps.max()), least_ratio=float(ratios.min())
    )
