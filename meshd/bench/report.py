"""What the benchmark found, as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from msgspec import Struct

from meshd.bench.cut_cost import CutCost
from meshd.bench.distribution import Distribution
from meshd.bench.healing import Healing
from meshd.bench.pipeline import Pipeline
from meshd.bench.plans import PlanChoice
from meshd.core.node import DeviceClass


class Quantiles(Struct, frozen=True, kw_only=True):
    """Median and 99th percentile, in microseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Return the quantiles of many times, each in seconds."""
        p50, p99 = np.percentile(seconds, (50, 99)) * 1e6
        return cls(p50=round(float(p50), 1), p99=round(float(p99), 1))


class Machine(Struct, frozen=True, kw_only=True):
    """Where it was measured; figures of two machines, or of a busy and a quiet one, do not compare."""

    cpu: str
    cores: int
    load: float
    """Processes that wanted a core on average, over the minute before the benchmark began."""
    system: str
    python: str
    onnxruntime: str
    meshd: str


class Ratio(Struct, frozen=True, kw_only=True):
    """One model file against another of the same model in the same run: below 1 it is smaller or faster."""

    size: float
    latency: float
    """Of one item, at the median, with one thread."""


class Distilled(Struct, frozen=True, kw_only=True):
    """The small watch tier of the ECG family against the hub that taught it."""

    ratio: Ratio
    accuracy_points: float
    """Balanced accuracy below the hub's, in points, by the manifest: on patients that neither has learned from."""


class Int4(Struct, frozen=True, kw_only=True):
    """Four-bit weights of a sentence transformer's matrices against eight-bit ones of the same."""

    size: float
    int8_cosine: float
    """Of sentence embeddings to those in float32, mean."""
    int4_cosine: float


class Conversion(Struct, frozen=True, kw_only=True):
    """What making variants costs and gains."""

    distilled: Distilled
    int8: dict[str, Ratio]
    """int8 against float32 for each model at hand."""
    int4: Int4 | None
    """None where the transformer's package is not installed."""
    import_s: float | None
    """From a convolutional network of 4 MB to its recommended variants; none in a quick run."""


class Overload(Struct, frozen=True, kw_only=True):
    """Resident memory of a daemon under overload, in million bytes."""

    start: float
    """After a warm-up under the same load."""
    end: float
    sent: int
    """Requests of the fast sender meanwhile."""

    @property
    def growth(self) -> float:
        """Return by how much it grew."""
        return self.end - self.start


class Report(Struct, frozen=True, kw_only=True):
    """All figures of one run."""

    run_us: Quantiles
    """The bare ``session.run`` of the tiny model."""
    local_us: Quantiles
    """Client in another process, to the watch and back, in full."""
    remote_us: Quantiles
    """The same with the hub's tier demanded: through the watch, by TLS to the hub, and back."""
    throughput_rps: float
    """Answers a second of the watch to 16 clients that each ask again as soon as they are answered."""
    mlserver_rps: float | None
    """The same clients and model with MLServer, in turns with the watch; none unless asked for."""
    large_tensor_us: Quantiles
    """602 kB to a peer and 20 bytes back, by TLS between two processes."""
    decision_us: dict[int, Quantiles]
    """From a request's arrival in the scheduler to its plan, by the number of nodes; time of the processor."""
    overload_mb: Overload
    discovery_s: tuple[float, ...]
    """For each start: seconds until each of the three nodes saw the other two."""
    resident_mb: dict[DeviceClass, float]
    """Million bytes that each daemon occupies, with the ECG models warm and used."""
    idle_cpu_percent: dict[DeviceClass, float]
    """Of one core, with peers and broker connected and no requests."""
    distribution: Distribution
    healing: Healing
    conversion: Conversion | None
    """None where the extra ``convert`` is not installed."""
    plans: tuple[PlanChoice, ...]
    """For each of four models over links of each speed; empty where the extra ``convert`` is not installed."""
    pipeline: Pipeline | None
    pipeline_speedup: float | None
    """Answers a second of two nodes that split every item, by those of one."""
    cuts: tuple[CutCost, ...]
    machine: Machine

    @property
    def local_overhead_us(self) -> float:
        """Return what the way to the model on this node takes, at the median."""
        return self.local_us.p50 - self.run_us.p50

    @property
    def remote_overhead_us(self) -> float:
        """Return what the way to the model on another node takes, at the median."""
        return self.remote_us.p50 - self.run_us.p50

    @property
    def mlserver_ratio(self) -> float | None:
        """Return how many times MLServer's requests a second the watch answers; none where it was not asked for."""
        return self.throughput_rps / self.mlserver_rps if self.mlserver_rps else None
