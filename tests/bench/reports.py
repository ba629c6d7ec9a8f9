"""A report whose figures a test can bend."""

from meshd.bench.report import Machine, Quantiles, Report
from meshd.core.node import DeviceClass

REPORT = Report(
    run_us=Quantiles(p50=5.0, p99=9.0),
    local_us=Quantiles(p50=255.0, p99=400.0),
    remote_us=Quantiles(p50=505.0, p99=900.0),
    throughput_rps=4321.0,
    discovery_s=(1.5, 3.0),
    resident_mb={DeviceClass.WATCH: 90.0, DeviceClass.PHONE: 95.0, DeviceClass.HUB: 100.0},
    idle_cpu_percent={DeviceClass.WATCH: 1.0, DeviceClass.PHONE: 0.5, DeviceClass.HUB: 2.0},
    machine=Machine(
        cpu="a processor", cores=2, load=0.1, system="Linux 6 x86_64", python="3.11", onnxruntime="1.31", meshd="0.1.0"
    ),
)
