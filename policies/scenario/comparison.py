"""How near the built-in processes come to recordings: the same figures of both, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from policies.scenario.family import BandwidthKind
from policies.scenario.luck import Luck
from policies.scenario.scenario import Split
from policies.scenario.sources import synthetic
from policies.scenario.sources.arrival_trace import ArrivalTrace, arrivals_of
from policies.scenario.sources.bandwidth_traces import all_traces
from policies.scenario.sources.variation import Variation

_WINDOWS_S = (1, 2, 5, 10, 30, 60, 120)
_LAGS_S = (1, 5, 10, 30)
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_RUNS = 20
_FOLDERS: dict[BandwidthKind, tuple[str, ...]] = {
    "steady": ("oboe",),
    "mobile": ("hsdpa_norway", "fcc_hsdpa"),
    "wild": ("puffer",),
}


class Compared(Struct, frozen=True, kw_only=True):
    """One figure of the recordings, and of what was fitted to them."""

    what: str
    recorded: float
    built_in: float


def compare_arrivals(file: Path) -> list[Compared]:
    """Return dispersion and silence of a recording and of the built-in arrivals at its rate."""
    whole = [arrivals_of(file, split) for split in Split]
    starts_s = np.cumsum([0.0, *(part.length_s for part in whole)])
    times_s = np.concatenate([part.times_s + start_s for part, start_s in zip(whole, starts_s, strict=False)])
    length_s = float(starts_s[-1])
    trace = ArrivalTrace(times_s, times_s, length_s)
    luck = Luck(0)
    streams = [luck.stream("compare", str(run)) for run in range(_RUNS)]
    runs = [synthetic.arrival_times(trace.rate_per_s, length_s, 1.0, stream) for stream in streams]
    found = []
    for window_s in _WINDOWS_S:
        ours = np.mean([_dispersion(run, length_s, window_s) for run in runs], axis=0)
        theirs = _dispersion(times_s, length_s, window_s)
        for name, recorded, built_in in zip(("variance / mean", "share of silence"), theirs, ours, strict=True):
            found.append(Compared(what=f"{name} in {window_s} s", recorded=recorded, built_in=float(built_in)))
    return found


def compare_bandwidths(folder: Path) -> list[Compared]:
    """Return spread, memory and distribution of recordings and of the built-in walks, medians over files."""
    found = []
    for kind in get_args(BandwidthKind)[1:]:
        recorded = [trace for file, trace in all_traces(folder) if file.parent.name in _FOLDERS[kind]]
        built_in = [synthetic.variation(kind, 300.0, Luck(run).stream(kind)) for run in range(100)]
        theirs, ours = (np.nanmedian([_shape(one) for one in traces], axis=0) for traces in (recorded, built_in))
        names = ["spread", *(f"memory at {lag} s" for lag in _LAGS_S), *(f"{place} % below" for place in _PERCENTILES)]
        for name, one, other in zip(names, theirs, ours, strict=True):
            found.append(Compared(what=f"{kind}: {name}", recorded=float(one), built_in=float(other)))
    return found


def _dispersion(times_s: NDArray[np.float64], length_s: float, window_s: int) -> tuple[float, float]:
    """Return variance over mean of the counts in windows, and the share of windows without any."""
    windows = int(length_s // window_s)
    counts = np.bincount((times_s // window_s).astype(int), minlength=windows)[:windows]
    return float(counts.var() / counts.mean()), float((counts == 0).mean())


def _shape(trace: Variation) -> list[float]:
    """Return standard deviation, autocorrelations and percentiles of a trace at every second."""
    seconds = np.arange(0.0, trace.length_s)
    shares = np.array(trace.shares)[np.searchsorted(trace.starts_s, seconds, side="right") - 1]
    around = shares - shares.mean()
    variance = float(around.var())
    memory = [_memory(around, lag, variance) for lag in _LAGS_S]
    return [float(shares.std()), *memory, *np.percentile(shares, _PERCENTILES).tolist()]


def _memory(around: NDArray[np.float64], lag: int, variance: float) -> float:
    if variance == 0.0 or len(around) <= 2 * lag:
        return float("nan")
    return float((around[:-lag] * around[lag:]).mean() / variance)
