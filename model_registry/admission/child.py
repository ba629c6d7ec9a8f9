"""The trial process: `python -m model_registry.admission.child PARENT`, an order on stdin, reports on stdout.

It imports the runtime only when the model's bytes were found in order, and is confined before the runtime sees them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from model_registry.admission import confinement, refusals
from model_registry.admission.inspection import inspect
from model_registry.admission.report import Failed, Order, Passed, Reached, Ready, Report, frame
from model_registry.errors import Refused

_STDOUT, _STDERR = 1, 2
_DOUBLING = bytes.fromhex(
    "08093a340a0e0a01780a0178120179220341646412005a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142"
    "040a001011"
)
"""A whole ONNX model, as `onnx.helper` made it: y = x + x, `float32[1]`."""


def main() -> None:
    """Try the model that stdin holds."""
    confinement.die_with(parent=int(sys.argv[1]))
    confinement.step_back()
    reports = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)  # What a runtime prints is no report.

    def tell(report: Report) -> None:
        os.write(reports, frame(report))

    order, content = Order.read(sys.stdin.buffer)
    try:
        tell(Reached(step="looking at the file"))
        inspect(content, order.variant.format, order.limits)
        tell(_tried(order, content, tell))
    except Refused as refused:
        tell(Failed(limit=refused.limit, message=refused.message, hint=refused.hint))


def _tried(order: Order, content: bytes, tell: Callable[[Report], None]) -> Passed:
    tell(Reached(step="starting the runtime"))
    # Here and not above: numpy and a runtime take longer to import than most files that are none take to be told.
    import numpy as np  # noqa: PLC0415

    from model_registry.admission.trial import Trial  # noqa: PLC0415
    from model_registry.runtime.session import open_session, runtime_version  # noqa: PLC0415

    runtime_version(order.variant.format)  # Imports it: what it occupies and starts is not the model's.
    if order.variant.format == "onnx":  # Nor is its code, 10 MB of which are first read for a first model.
        open_session(_DOUBLING).run(["y"], {"x": np.ones(1, np.float32)})
    try:
        confinement.confine(memory_bytes=order.limits.memory_bytes, cpu_s=order.limits.computing_s)
    except (OSError, ValueError) as error:
        raise refusals.not_tried(f"the trial process could not limit itself: {error}.") from error
    tell(Ready(resident_bytes=confinement.resident_bytes()))
    trial = Trial(order, content, tell)
    try:
        return Passed(admitted=trial.run())
    except MemoryError as error:
        limit_bytes = order.limits.memory_bytes
        raise refusals.too_much_memory("its trial", limit_bytes, taken_bytes=trial.taken_bytes) from error


if __name__ == "__main__":
    main()
