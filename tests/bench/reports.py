"""A report whose figures a test can bend."""

from meshd.bench.cut_cost import CutCost
from meshd.bench.distribution import Distribution
from meshd.bench.healing import Healing
from meshd.bench.pipeline import Pipeline
from meshd.bench.plans import PlanChoice, TimedPlan
from meshd.bench.report import Conversion, Distilled, Int4, Machine, Overload, Quantiles, Ratio, Report
from meshd.core.node import DeviceClass

CONVERSION = Conversion(
    distilled=Distilled(ratio=Ratio(size=0.02, latency=0.5), accuracy_points=1.0),
    int8={"a model": Ratio(size=0.3, latency=1.1)},
    int4=Int4(size=0.55, int8_cosine=0.99, int4_cosine=0.92),
    import_s=60.0,
)

TOP = Quantiles(p50=2000.0, p99=5000.0)

PLANS = (
    PlanChoice(
        model="a model",
        bandwidth_bps=2e6,
        links="shaped",
        asked="watch",
        chosen="watch",
        best="watch",
        regret=0.0,
        over_single=0.0,
        free_s=0.021,
        runs=15,
        plans=(TimedPlan(place="watch", predicted_s=0.019, seconds=0.02, median_s=0.02, whole=True),),
    ),
    PlanChoice(
        model="a model",
        bandwidth_bps=2e8,
        links="shaped",
        asked="watch",
        chosen="watch 0-1, hub 1-2",
        best="hub",
        regret=0.04,
        over_single=0.04,
        free_s=0.0105,
        runs=15,
        plans=(
            TimedPlan(place="watch 0-1, hub 1-2", predicted_s=0.01, seconds=0.0104, median_s=0.0103, whole=False),
            TimedPlan(place="hub", predicted_s=0.011, seconds=0.01, median_s=0.01, whole=True),
        ),
    ),
)
PIPELINE = Pipeline(
    model="a model",
    bandwidth_bps=1e8,
    links="shaped",
    cores=0.7,
    one_rps=100.0,
    split="watch 0-1, hub 1-2",
    split_rps=170.1,
    free_rps=160.0,
    freely={"watch → hub": 90, "watch": 10},
)

REPORT = Report(
    plans=PLANS,
    pipeline=PIPELINE,
    pipeline_speedup=PIPELINE.speedup,
    cuts=(
        CutCost(model="a model", work=0.5, whole_ms=5.0, ratio=1.05),
        CutCost(model="a small model", work=0.5, whole_ms=0.1, ratio=1.15),
    ),
    run_us=Quantiles(p50=5.0, p99=9.0),
    local_us=Quantiles(p50=155.0, p99=400.0),
    remote_us=Quantiles(p50=305.0, p99=1500.0),
    throughput_rps=4321.0,
    mlserver_rps=1440.0,
    large_tensor_us=Quantiles(p50=1200.0, p99=2000.0),
    decision_us={3: Quantiles(p50=60.0, p99=200.0), 64: Quantiles(p50=400.0, p99=1000.0), 1000: TOP},
    overload_mb=Overload(start=90.0, end=92.0, sent=50_000),
    discovery_s=(1.5, 3.0),
    resident_mb={DeviceClass.WATCH: 90.0, DeviceClass.PHONE: 95.0, DeviceClass.HUB: 100.0},
    idle_cpu_percent={DeviceClass.WATCH: 1.0, DeviceClass.PHONE: 0.5, DeviceClass.HUB: 2.0},
    distribution=Distribution(
        size_bytes=20_000_000,
        rounds=10,
        fetch_bps=80e6,
        fetching_p99_ratio=1.2,
        lending_p99_ratio=1.5,
        calls=500,
    ),
    healing=Healing(
        store_bytes=20_000_000,
        rounds=20,
        found_s=1.4,
        mended_s=0.5,
        mended_worst_s=2.0,
        requests=9_000,
        failed=0,
        scrub_cpu_percent=2.0,
        scrub_bps=8e6,
    ),
    conversion=CONVERSION,
    machine=Machine(
        cpu="a processor", cores=2, load=0.1, system="Linux 6 x86_64", python="3.11", onnxruntime="1.31", meshd="0.1.0"
    ),
)
