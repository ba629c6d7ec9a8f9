"""A sweep as an import would bring it forth, with a stranger's names in it."""

import datetime as dt
from typing import Any

from model_registry.advice.recommendation import Advice, Wish, recommend_each
from model_registry.convert.draft import Draft
from model_registry.convert.sweep import Made, NotMade, Sweep
from model_registry.manifest import Lifecycle
from model_registry.measured import Cost, Evaluation
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Variant

PROCESSOR = "AMD EPYC 9B14, one core"
EVALUATION = Evaluation(dataset="imagenette-val.npz", dataset_sha256="5e" * 32, items=1_000)
SOURCE = "meshd models import mobilenet.onnx: onnxruntime 1.31.1, one thread, 200 runs after 20 to warm up."


def made(name: str, *, size: int, p50_ms: float, accuracy: float | None, **changes: Any) -> Made:
    """Return a variant that was measured on the processor of the sweep."""
    precision = changes.pop("precision", "fp32")
    yardstick_ms = 2.5 if precision == "int8" else 5.7
    cost = Cost(
        device=PROCESSOR,
        p50_ms=p50_ms,
        p99_ms=p50_ms * 1.3,
        peak_memory_bytes=70_000_000 + 3 * size,
        joules=p50_ms * 2e-3,
        yardstick_ms=yardstick_ms,
        source=SOURCE,
    )
    variant = Variant(
        name=name,
        precision=precision,
        file=f"artifacts/{name}.onnx",
        artifact="ab" * 32,
        size_bytes=size,
        macs=300_000_000,
        compression=changes.pop("compression", ""),
        accuracy={} if accuracy is None else {"accuracy": accuracy},
        evaluation=None if accuracy is None else EVALUATION,
        costs=(cost,),
    )
    return Made(variant=variant, load_s=0.02, **changes)


def sweep(**changes: Any) -> Sweep:
    """Return a sweep of seven variants, of which one was not made."""
    draft = Draft(
        name="mobilenet-v2",
        version="1.0.0",
        summary="Tells which of 1000 things is in a picture.",
        license="Apache-2.0",
        task="image-classification",
        privacy="household",
        lifecycle=Lifecycle(imported=dt.date(2026, 11, 21), origin="mobilenet.onnx", origin_sha256="c0" * 32),
        axes={"batch": Axis(max=8)},
        inputs=(Tensor(name="image", dtype="float32", shape=("batch", 3, 224, 224)),),
        outputs=(Tensor(name="logits", dtype="float32", shape=("batch", 1000)),),
    )
    figures: dict[str, Any] = {
        "draft": draft,
        "origin": "mobilenet.onnx",
        "origin_bytes": 13_964_571,
        "processor": PROCESSOR,
        "made": (
            made("fp32", size=13_964_571, p50_ms=4.1, accuracy=0.7188),
            made("slim", size=13_612_004, p50_ms=4.0, accuracy=0.7188, compression="graph slimmed by onnxslim 0.1.98"),
            made(
                "fp16", size=7_002_313, p50_ms=5.2, accuracy=0.7187, precision="fp16",
                compression="weights to fp16 by onnxconverter-common 1.16",
                note="This processor has no fp16 arithmetic: it widens every weight first, which takes time.",
            ),
            made(
                "int8", size=3_655_033, p50_ms=2.1, accuracy=0.7110, precision="int8",
                compression="static int8, QDQ, per channel, calibrated on 200 items by onnxruntime 1.31.1",
            ),
            made(
                "int8-dynamic", size=3_598_119, p50_ms=7.4, accuracy=0.7002, precision="int8",
                compression="dynamic int8 by onnxruntime 1.31.1",
            ),
            made("pruned", size=8_100_200, p50_ms=2.9, accuracy=0.6604, compression="a third of the channels removed"),
        ),
        "not_made": (NotMade(name="int4", reason="The graph has no matrix product with constant weights to pack."),),
        "reference": "fp32",
        "metric": "accuracy",
        "took_s": 41.3,
    }  # fmt: skip
    return Sweep(**(figures | changes))


def advised(swept: Sweep, wish: Wish | None = None) -> tuple[Advice, ...]:
    """Return the advice for each class."""
    variants = {made.variant.name: made.variant for made in swept.made}
    return recommend_each(variants, wish, reference=swept.reference, metric=swept.metric)
