"""Pictures for the model card; needs the `train` extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from model_registry.zoo.ecg.opinions import Opinions
from model_registry.zoo.ecg.statistics import auroc


def draw_roc(opinions: Opinions, path: Path) -> None:
    """Draw how many anomalies each way finds at each rate of false alarms, up to 30 % of calm windows."""
    mpl.use("svg")
    figure, axes = plt.subplots(figsize=(5, 3.5))
    ways: dict[str, NDArray[np.floating]] = {**opinions.scores, "cascade": opinions.cascade.score}
    for name, score in ways.items():
        false_alarms, found = _curve(np.asarray(score, np.float64), opinions.truth)
        axes.plot(false_alarms, found, label=f"{name}, AUROC {auroc(score, opinions.truth):.3f}", linewidth=1)
    axes.set(xlim=(0, 0.3), ylim=(0.6, 1), xlabel="calm windows called anomalous", ylabel="anomalous windows found")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def draw_sizes(students: Sequence[tuple[int, float]], tiers: Sequence[tuple[str, int, float]], path: Path) -> None:
    """Draw what students of these sizes in bytes are worth, and the tiers, weakest first, beside them."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "sizes"  # The same figures give the same file.
    figure, axes = plt.subplots(figsize=(5, 3.5))
    sizes, worth = np.array(sorted(students)).T
    axes.plot(sizes / 1000, worth, marker="o", linewidth=1, label="students of the hub, int8")
    for name, size, mark in tiers:
        axes.plot([size / 1000], [mark], marker="s", linestyle="none", color="grey")
        axes.annotate(name, (size / 1000, mark), textcoords="offset points", xytext=(5, 4))
    point_below = tiers[-1][2] - 0.01
    axes.axhline(point_below, color="grey", linewidth=1, linestyle=":", label="one point below the hub")
    axes.set(
        xlabel="size of the file, kB",
        ylabel="balanced accuracy on strangers",
        xscale="log",
        xlim=(9, 900),
        ylim=(0.94, 0.99),
    )
    axes.xaxis.set_major_formatter(mpl.ticker.ScalarFormatter())
    axes.set_xticks([10, 20, 50, 100, 200, 500])
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _curve(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    thresholds = np.quantile(score, np.linspace(1, 0, 200))
    flagged = score[None] >= thresholds[:, None]
    return flagged[:, ~truth].mean(1), flagged[:, truth].mean(1)
