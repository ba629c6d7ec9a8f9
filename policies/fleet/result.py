"""What is said of a fleet: what ``--json`` prints, and what table and page show."""

from __future__ import annotations

from msgspec import Struct

from policies.evaluation.network import Network
from policies.fleet.spread import Spread

PERCENTS = tuple(range(0, 101, 5))
"""Of homes, at which distributions are told."""


class Distribution(Struct, frozen=True, kw_only=True):
    """Of one figure over homes."""

    mean: float
    ci95: tuple[float, float] | None
    """Of the mean; none of a single home: nobody knows how far others would be from it."""
    percentiles: dict[int, float]
    """Below which so many percent of homes are; 0 and 100 are the least and the most."""

    @classmethod
    def of(cls, spread: Spread) -> Distribution:
        """Return what a spread says; there must be a number in it."""
        percentiles = {percent: spread.quantile(percent / 100.0) for percent in PERCENTS}
        return cls(mean=spread.mean, ci95=spread.ci95, percentiles=percentiles)


class Requests(Struct, frozen=True, kw_only=True):
    """All requests of all homes together."""

    n: int
    p50_ms: float | None
    """To within 1 %; none where none was answered."""
    p95_ms: float | None
    p99_ms: float | None
    deadline_miss: float
    missed_anomalies: float


class Worst(Struct, frozen=True, kw_only=True):
    """A home in which the rule does better than a policy."""

    home: str
    reward: float
    gain: float
    """Over the rule in the same home, as a share of what the rule costs there."""
    replay: str
    """The command that lives this home again."""


class Figures(Struct, frozen=True, kw_only=True):
    """One policy; distributions are over homes."""

    homes: int
    reward: Distribution
    gain: Distribution
    """As in the worst."""
    p50_ms: Distribution | None
    """None where nobody was answered in any home."""
    p95_ms: Distribution | None
    p99_ms: Distribution | None
    deadline_miss: Distribution
    joules: dict[str, Distribution]
    """By device class, of a home's requests."""
    battery_hours: dict[str, Distribution]
    """By device class."""
    requests: Requests
    worse_than_rule: float
    """Share of homes where the rule has the higher reward."""
    worse_by_a_tenth: float
    """Share of homes that cost more than a tenth above the rule."""
    worst: list[Worst]
    """Of the homes where the rule does better; most is lost in the first."""


class FleetResult(Struct, frozen=True, kw_only=True):
    """All figures of one fleet."""

    command: str
    rule: str
    """Which all policies are held against: what a daemon begins with."""
    homes: int
    networks: dict[str, Network]
    """Of the policies that are learned, by name."""
    overall: dict[str, Figures]
    families: dict[str, dict[str, Figures]]
