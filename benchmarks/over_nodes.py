"""Curves over the number of nodes in a mesh, as the benchmarks beside this draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_over_nodes(draw: Callable[[Axes], None], meshes: Sequence[int], path: Path, *, ylabel: str) -> None:
    """Write a picture of what ``draw`` puts on logarithmic axes; ``meshes`` are the numbers of nodes."""
    import matplotlib as mpl  # noqa: PLC0415 - measuring needs no drawing
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "meshd"  # The same figures make the same file.
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.set(xscale="log", yscale="log", xlabel="nodes in the mesh", ylabel=ylabel)
    axes.set_xticks(meshes, [str(n_nodes) for n_nodes in meshes])
    axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
