"""onnxruntime with its optimiser and its profiler in our hands, which no node needs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import onnxruntime
from numpy.typing import NDArray

from model_registry.convert.errors import first_line
from model_registry.errors import ModelUnreadable, RunFailed

Array = NDArray[Any]
_FEWEST_RUNS, _MOST_RUNS = 5, 100
Level = Literal["none", "basic", "extended"]
_LEVELS = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
}


def optimised(content: bytes, level: Level, *, folding: bool) -> bytes:
    """Return a model as onnxruntime rewrites it for every processor alike; without `folding`, constants stay as stored.

    Raises:
        ModelUnreadable: onnxruntime does not load it.

    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "optimised.onnx"
        options = _options(level)
        options.optimized_model_filepath = str(target)
        _opened(content, options, disabled_optimizers=[] if folding else ["ConstantFolding"])
        return target.read_bytes()


def run_unoptimised(content: bytes, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Any]:
    """Run a model node by node as it stands in the file.

    Raises:
        ModelUnreadable: onnxruntime does not load it.
        RunFailed: it does not run on these inputs.

    """
    return _ran(_opened(content, _options("none")), list(names), inputs)


def profile(content: bytes, inputs: Mapping[str, Array], *, seconds: float) -> str:
    """Return onnxruntime's own record, as JSON, of runs node by node for so long."""
    with tempfile.TemporaryDirectory() as folder:
        options = _options("none")
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = _opened(content, options)
        end_s = perf_counter() + seconds
        for number in range(_MOST_RUNS):
            if number >= _FEWEST_RUNS and perf_counter() > end_s:
                break
            _ran(session, None, inputs)
        return Path(session.end_profiling()).read_text(encoding="utf-8")


def _ran(session: Any, names: list[str] | None, inputs: Mapping[str, Array]) -> list[Any]:
    try:
        outputs: list[Any] = session.run(names, dict(inputs))
    except Exception as error:  # The classes of its native part have no common base.
        raise RunFailed(f"onnxruntime failed: {first_line(error)}.") from error
    return outputs


def _opened(content: bytes, options: Any, **more: Any) -> Any:
    onnxruntime.set_default_logger_severity(4)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], **more)
    except Exception as error:  # The classes of its native part have no common base.
        raise ModelUnreadable(f"onnxruntime cannot load it: {first_line(error)}.", hint="Export it again.") from error


def _options(level: Level) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = _LEVELS[level]
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 4
    return options
