"""Ups and downs for who has no recordings: processes of our own, fitted to recordings that are published.

Bandwidth: a Markov chain in steps of one second. A standard normal number that remembers itself for a while, mixed of a
slow and a quick part, is turned into the share of the mean that stands at its place in the recorded distribution. Table
and memory are those of the recordings, resampled to one second, medians over the files of a kind:

- steady: Oboe, 214 files; mobile: HSDPA Oslo and FCC, 104 files; wild: Puffer, 250 files (all MIT licence).

Arrivals: a Markov-modulated Poisson process. It stays in one of four states for an exponential time, then goes to any
other. States were found by random search so that the index of dispersion (variance over mean of counts) agrees with
that of Azure's LLM inference trace, "code" (8,819 requests in 57 minutes; CC BY 4.0), over windows of 1 to 120 s.

docs/worlds.md holds the comparison, ``python -m policies.scenario compare`` measures it again.
"""

from __future__ import annotations

from math import exp, sqrt
from statistics import NormalDist

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from policies.scenario.family import BandwidthKind
from policies.scenario.sources.variation import Variation

_BELOW = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
"""Shares of time at which the recordings' distribution was read; the first and the last stand for its ends."""
_PLACES = [NormalDist().inv_cdf(below) for below in _BELOW]
"""The same places of a standard normal distribution."""


class _Walk(Struct, frozen=True, kw_only=True, gc=False):
    """How bandwidth of a kind varies."""

    shares: tuple[float, ...]
    """Of the mean, at the places of ``_BELOW`` in the distribution."""
    slow_s: float
    """How long the slow part remembers itself."""
    quick_s: float
    slow: float
    """Share of the slow part in the variance."""
    spread: tuple[float, float]
    """Files differ: each exponent that the shares are raised to is drawn from this range."""


_WALKS: dict[BandwidthKind, _Walk] = {
    "steady": _Walk(
        shares=(0.547, 0.555, 0.654, 0.727, 0.856, 1.0, 1.128, 1.256, 1.326, 1.456, 1.466),
        slow_s=8.0,
        quick_s=8.0,
        slow=1.0,
        spread=(0.5, 1.9),
    ),
    "mobile": _Walk(
        shares=(0.144, 0.228, 0.355, 0.444, 0.659, 1.003, 1.300, 1.563, 1.737, 1.966, 2.261),
        slow_s=45.0,
        quick_s=2.0,
        slow=0.7,
        spread=(0.6, 1.7),
    ),
    "wild": _Walk(
        shares=(0.007, 0.020, 0.157, 0.327, 0.651, 1.015, 1.328, 1.573, 1.697, 1.899, 1.996),
        slow_s=30.0,
        quick_s=1.4,
        slow=0.25,
        spread=(0.5, 1.5),
    ),
}

_STATE_RATES = np.array([0.0012, 0.6598, 3.1805, 13.2324])
_STATE_LASTS_S = np.array([59.64, 4.045, 15.865, 2.154])
"""Rates as shares of the mean, and mean stays, of the arrivals' four states."""


def variation(kind: BandwidthKind, length_s: float, rng: np.random.Generator) -> Variation:
    """Return how a rate of a kind varies for so long, in steps of one second."""
    walk, steps = _WALKS[kind], max(2, round(length_s))
    numbers = sqrt(walk.slow) * _remembering(walk.slow_s, steps, rng)
    numbers += sqrt(1.0 - walk.slow) * _remembering(walk.quick_s, steps, rng)
    shares = np.interp(numbers, _PLACES, walk.shares) ** rng.uniform(*walk.spread)
    shares /= shares.mean()
    starts_s = tuple(float(step) for step in range(steps))
    return Variation(name=f"synthetic {kind}", starts_s=starts_s, shares=tuple(shares.tolist()), length_s=float(steps))


def arrival_times(rate_per_s: float, until_s: float, speed: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return times in [0, until_s), ascending: float64[requests].

    ``speed`` says how many seconds of the recording pass in one second: the states last the shorter for it.
    """
    n_states, at_s = len(_STATE_RATES), 0.0
    state = int(rng.choice(n_states, p=_STATE_LASTS_S / _STATE_LASTS_S.sum()))
    pieces: list[NDArray[np.float64]] = []
    while at_s < until_s:
        stay_s = rng.exponential(_STATE_LASTS_S[state] / speed)
        pieces.append(at_s + stay_s * rng.random(rng.poisson(rate_per_s * _STATE_RATES[state] * stay_s)))
        at_s += stay_s
        state = (state + int(rng.integers(1, n_states))) % n_states
    times_s = np.sort(np.concatenate(pieces))
    return times_s[times_s < until_s]


def _remembering(memory_s: float, steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return standard normal numbers a second apart, each like the one before: float64[steps]."""
    keeps = exp(-1.0 / memory_s)
    news = rng.standard_normal(steps)
    news[1:] *= sqrt(1.0 - keeps * keeps)
    for step in range(1, steps):
        news[step] += keeps * news[step - 1]
    return news
