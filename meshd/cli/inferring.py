"""``meshd infer``: one inference from files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshd.cli.connecting import connect
from meshd.cli.options import EndpointOption, JsonOption, LosslessOption, TokenOption
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _deadline(seconds: float) -> float:
    from meshd.wire.messages import MAX_DEADLINE_S

    if not 0.0 < seconds <= MAX_DEADLINE_S:  # NaN is no time, either.
        raise typer.BadParameter(f"{seconds:g} is not above zero and at most {MAX_DEADLINE_S:g} seconds")
    return seconds


def _place(plan: str | None) -> str | None:
    if plan is not None and not plan.strip():
        raise typer.BadParameter("it names no place; leave it out, and the best is taken")
    return plan


def infer(  # noqa: PLR0917  typer's parameters are options, never positional.
    model: Annotated[str, typer.Argument(help="Name of the model; `meshd models` lists them.")],
    inputs: Annotated[
        list[str], typer.Option("--input", metavar="NAME=FILE", help="An input tensor, as a .npy file. Repeatable.")
    ],
    deadline: Annotated[
        float, typer.Option("--deadline", metavar="SECONDS", help="Time to answer.", callback=_deadline)
    ] = 10.0,
    privacy: Annotated[Privacy, typer.Option(help="How far the input may travel.")] = Privacy.HOUSEHOLD,
    priority: Annotated[Priority, typer.Option(help="How urgent it is.")] = Priority.NORMAL,
    min_tier: Annotated[DeviceClass | None, typer.Option("--min-tier", help="Accept no weaker tier.")] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="Run it so and nowhere else; `meshd plan` lists the places.", callback=_place
        ),
    ] = None,
    lossless: LosslessOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Write each output tensor there, as .npy.")
    ] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Run a model once on arrays from files and print its outputs."""
    from meshd.cli.output import progress, show, show_json
    from meshd.cli.view.result_view import result_document, result_view

    arrays = _arrays(inputs)
    if output is not None:
        _make(output)
    with connect(endpoint, token) as mesh:
        result = mesh.infer(
            model,
            arrays,
            deadline_s=deadline,
            privacy=privacy,
            priority=priority,
            min_tier=min_tier,
            plan=plan or "",
            lossless=lossless,
        )
    if output is not None:
        for path in _write(result.outputs, output):
            progress(f"wrote {path}")
    show_json(result_document(result)) if json else show(result_view(result))


def _arrays(words: list[str]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, array in map(_array, words):
        if name in arrays:
            raise typer.BadParameter(f"there are two files for input {name!r}", param_hint="--input")
        arrays[name] = array
    return arrays


def _array(word: str) -> tuple[str, NDArray[Any]]:
    import numpy as np

    name, equals, file = word.partition("=")
    if not (name and equals and file):
        raise typer.BadParameter(f"{word!r} is not NAME=FILE, for example ecg=window.npy", param_hint="--input")
    try:
        array = np.load(file, allow_pickle=False)
    except OSError as error:
        reason = error.strerror or error
        raise typer.BadParameter(f"{file} is no readable .npy file: {reason}", param_hint="--input") from error
    except (ValueError, EOFError) as error:  # numpy's own words advise to unpickle it, which is how to run its code.
        told = f"{file} is no readable .npy file, which holds one array of plain numbers; numpy.save writes one"
        raise typer.BadParameter(told, param_hint="--input") from error
    if not isinstance(array, np.ndarray):
        raise typer.BadParameter(f"{file} holds several arrays; save one with numpy.save", param_hint="--input")
    return name, array


def _make(folder: Path) -> None:
    """Make the folder before anything is asked, so that a mistake in its name costs nothing."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _write(outputs: dict[str, NDArray[Any]], folder: Path) -> list[Path]:
    import numpy as np

    paths = [folder / f"{name.replace('/', '_')}.npy" for name in outputs]
    for path, array in zip(paths, outputs.values(), strict=True):
        with _writing(path):
            np.save(path, array, allow_pickle=False)
    return paths


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        told = f"{path} cannot be written: {error.strerror or error}"
        raise typer.BadParameter(told, param_hint="--output") from error
