"""Hold converters against each other: `python conversion.py MODEL.onnx...`; one that is not installed is left out."""

import importlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx

from model_registry.convert.quiet import quiet
from model_registry.runtime.session import open_session

Converter = Callable[[Any], Any]


def slimmers() -> Iterator[tuple[str, Converter]]:
    """Yield what takes away what an exporter left over."""
    if onnxslim := _installed("onnxslim"):
        yield "onnxslim", onnxslim.slim
    if onnxsim := _installed("onnxsim"):
        yield "onnxsim", lambda model: onnxsim.simplify(model)[0]


def halvers() -> Iterator[tuple[str, Converter]]:
    """Yield what converts to half precision."""
    for name in ("onnxruntime.transformers.float16", "onnxconverter_common.float16"):
        if module := _installed(name):
            yield name.partition(".")[0], partial(module.convert_float_to_float16, keep_io_types=True)


def main(paths: list[str]) -> None:
    """Print bytes, nodes and seconds of every model by every converter, or what it failed with."""
    for path in map(Path, paths):
        model = onnx.load(path)
        print(f"{path.name}: {path.stat().st_size:,} bytes, {len(model.graph.node)} nodes")
        for name, convert in (*slimmers(), *halvers()):
            print(f"  {name:22}{_tried(convert, model)}")


def _tried(convert: Converter, model: Any) -> str:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    started = perf_counter()
    try:
        with quiet():
            made = convert(copy)
        took_s = perf_counter() - started
        content = made.SerializeToString()
        open_session(content)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result.
        return f"fails: {type(error).__name__}: {str(error).splitlines()[0][:90]}"
    return f"{len(content):>12,} bytes {len(made.graph.node):>5} nodes {took_s:6.2f} s"


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


if __name__ == "__main__":
    logging.disable()
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
