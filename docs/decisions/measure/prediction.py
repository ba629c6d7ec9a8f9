"""Measure how far off the predictions of model_registry/advice/prediction.py are, where the truth is known.

ncnn's benchmark table has the latency of some 35 networks on 102 devices. Those of each device are predicted from every
other device's figures, by the ratio of what MobileNetV1 takes on the two, and from multiply-accumulates alone.

Run: `.venv/bin/python docs/decisions/measure/prediction.py [../shared/data/devices/ncnn_latency.json]`
"""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

from model_registry.advice.device import YARDSTICK_MACS

Row = dict[str, float]  # Milliseconds by network, of one device.
TABLE = Path(__file__).parents[4] / "shared" / "data" / "devices" / "ncnn_latency.json"
YARDSTICKS = {"fp32": "mobilenet", "int8": "mobilenet_int8"}
# Multiply-accumulates in millions, as torchvision's model tables state them ("GFLOPS" there counts a pair once).
MEGA_MACS = {
    "squeezenet": 349, "mobilenet_v2": 301, "mobilenet_v3": 217, "mnasnet": 314, "shufflenet_v2": 145,
    "efficientnet_b0": 386, "regnety_400m": 402, "googlenet": 1498, "resnet18": 1814, "resnet50": 4089, "alexnet": 714,
    "vgg16": 15470,
}  # fmt: skip


def rows_of_one_core(path: Path) -> list[Row]:
    """Return what each device takes on one core of its processor, without its graphics."""
    runs = [run for run in json.loads(path.read_text()) if run["threads"] == 1 and run["gpu"] in {-1, None}]
    return [{network: ms["avg"] for network, ms in run["ms"].items() if ms.get("avg")} for run in runs]


def scaled(rows: Iterable[Row], yardstick: str, *, integers: bool) -> Iterator[float]:
    """Yield predicted over actual time of every network on every device, from every other device."""
    able = [row for row in rows if yardstick in row]
    for here, there in permutations(able, 2):
        for network in (here.keys() & there.keys()) - {yardstick}:
            if network.endswith("int8") == integers:
                yield here[network] * there[yardstick] / here[yardstick] / there[network]


def by_macs(rows: Iterable[Row], yardstick: str, suffix: str) -> Iterator[float]:
    """Yield predicted over actual time of every network whose multiply-accumulates are published."""
    for row in rows:
        for network, mega_macs in MEGA_MACS.items():
            if yardstick in row and network + suffix in row:
                yield mega_macs * 1e6 / YARDSTICK_MACS * row[yardstick] / row[network + suffix]


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value that `share` of all lie at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(what: str, ratios: list[float]) -> str:
    """Return a row of the record's table."""
    factors = [max(ratio, 1 / ratio) for ratio in ratios]
    errors = [abs(ratio - 1) for ratio in ratios]
    return (
        f"{what:44} {len(ratios):7} {quantile(errors, 0.5):8.0%} {quantile(errors, 0.9):8.0%} "
        f"{quantile(factors, 0.5):8.2f} {quantile(factors, 0.9):8.2f}"
    )


def main() -> None:
    """Print the errors of each way to predict."""
    rows = rows_of_one_core(Path(sys.argv[1]) if sys.argv[1:] else TABLE)
    print(f"{len(rows)} processors, one core each{'':16} pairs  |error| 50 %   90 %   factor 50 %  90 %")
    for precision, yardstick in YARDSTICKS.items():
        for other in YARDSTICKS:
            ratios = list(scaled(rows, yardstick, integers=other == "int8"))
            print(line(f"{other} scaled by MobileNetV1 in {precision}", ratios))
    for precision, yardstick in YARDSTICKS.items():
        suffix = "_int8" if precision == "int8" else ""
        print(line(f"{precision} by multiply-accumulates alone", list(by_macs(rows, yardstick, suffix))))


if __name__ == "__main__":
    main()
