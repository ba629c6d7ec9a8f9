"""Reads PyTorch's two formats that carry a network: TorchScript, and exported programs; torch's exporter converts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model_registry.convert import source_kind as kinds
from model_registry.convert.digest import digest
from model_registry.convert.errors import ModelRefused, first_line
from model_registry.convert.imported import Imported
from model_registry.convert.quiet import quiet
from model_registry.convert.readers.onnx_reader import embedded
from model_registry.convert.readers.reading_options import ReadingOptions
from model_registry.convert.source_kind import SourceKind
from model_registry.extra import needing

OPSET = 18
"""The oldest that torch's new exporter writes by itself."""


def read_torch(source: Path, kind: SourceKind, scratch: Path, options: ReadingOptions) -> Imported:
    """Load a PyTorch model and export it to ONNX.

    `torch.load` is never called here, and yet the user has to trust a file's maker: torch unpickles parts of an
    exported program, and TorchScript is a program, in whose language `torch.save` writes to any path.

    Raises:
        ModelRefused: nobody vouched for it, TorchScript without an example of its inputs, a damaged file, or operators
            that torch cannot export.
        ExtraMissing: torch or onnxscript is not installed.

    """
    with needing("torch", "Importing PyTorch models"):
        import onnxscript  # noqa: F401, PLC0415 - what the exporter is made of.
        import torch  # noqa: PLC0415 - an extra.

    if not options.trust_pickle:
        why = "torch unpickles parts of it" if kind is kinds.TORCH_EXPORT else "it may read and write any file of yours"
        raise ModelRefused(
            f"{source.name} is {kind.title}, and {why}: loading it may run code from the file.",
            hint="Give --trust-pickle if you know who made it, or export the model as ONNX where it was made.",
        )
    exported = scratch / "exported.onnx"
    write = _export_program if kind is kinds.TORCH_EXPORT else _export_script
    with quiet():
        try:
            write(source, exported, options)
        except ModelRefused:
            raise
        except Exception as error:  # Every operator without a conversion raises a class of its own.
            raise ModelRefused(
                f"torch cannot export {source.name}: {first_line(error)}.",
                hint="Export it as ONNX where it was made; torch.onnx.export names the operator that is in the way.",
            ) from error
    target = scratch / "origin.onnx"
    target.write_bytes(embedded(exported).SerializeToString())
    return Imported(
        path=target,
        format="onnx",
        origin=source.name,
        origin_bytes=source.stat().st_size,
        origin_sha256=digest(source),
        converted_by=f"torch {torch.__version__}",
    )


def _export_program(source: Path, target: Path, options: ReadingOptions) -> None:
    del options
    import torch  # noqa: PLC0415 - an extra.

    program = torch.export.load(source)
    torch.onnx.export(program, f=target, dynamo=True, opset_version=OPSET, external_data=False, verbose=False)


def _export_script(source: Path, target: Path, options: ReadingOptions) -> None:
    import torch  # noqa: PLC0415 - an extra.

    module = torch.jit.load(source, map_location="cpu").eval()
    names = _input_names(module)
    examples = _examples(source.name, names, options)
    torch.onnx.export(
        module,
        tuple(torch.from_numpy(array) for array in examples),
        target,
        input_names=names,
        dynamic_axes={name: {0: "batch"} for name in names},
        opset_version=OPSET - 1,  # The old exporter, which alone takes TorchScript, ends there.
        dynamo=False,
    )
    _let_outputs_follow(target)


def _input_names(module: Any) -> list[str]:
    return [value.debugName().partition(".")[0] for value in list(module.graph.inputs())[1:]]


def _examples(name: str, wanted: list[str], options: ReadingOptions) -> list[Any]:
    """Return two items of each input, in the order of the arguments."""
    given = dict(options.examples)
    if len(wanted) == len(given) == 1:
        given = {wanted[0]: next(iter(given.values()))}
    missing = [word for word in wanted if word not in given]
    if missing:
        raise ModelRefused(
            f"{name} is TorchScript, which does not say the shape of its inputs ({', '.join(wanted)}).",
            hint=f"Give examples: --calibration FILE.npz with an array for each of {', '.join(missing)}, "
            "first axis the items.",
        )
    return [np.ascontiguousarray(given[word][:2]) for word in wanted]


def _let_outputs_follow(path: Path) -> None:
    """Forget the outputs' shapes that the exporter froze at the example's: they are inferred again later."""
    import onnx  # noqa: PLC0415 - an extra.

    model = onnx.load(path)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
