"""What every picture of ours has in common: its style, where its library comes from, and how it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshd.errors import SetupError
from model_registry.extra import installing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE: dict[str, Any] = {
    "svg.fonttype": "path",  # Looks the same wherever it is shown.
    "svg.hashsalt": "meshd",
    "font.family": "sans-serif",
    "text.color": "#22303c",
    "axes.labelcolor": "#22303c",
    "axes.edgecolor": "#93a1ad",
    "xtick.color": "#66757f",
    "ytick.color": "#66757f",
    "text.parse_math": False,
}


@contextmanager
def styled(own: dict[str, Any], *, what: str = "drawing", without: str = "") -> Iterator[None]:
    """Draw in our style and ``own`` settings within.

    Raises:
        SetupError: matplotlib is not installed; ``what`` needs it, and ``without`` says how to do without.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        hint = f"Run: {installing('convert')}{without}"
        raise SetupError(f"{what} needs '{error.name}', which is not installed.", hint=hint) from error
    with mpl.rc_context({**_STYLE, **own}):
        yield


def write(figure: Figure, file: Path) -> None:
    """Write a figure as SVG or PNG, by the ending of the file's name; the same figure gives the same bytes.

    Raises:
        SetupError: the file cannot be written.
    """
    try:
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as error:
        raise SetupError(f"{file} cannot be written: {error.strerror or error}.") from error
