"""Pictures for the model card; needs the `train` extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def draw_sizes(sizes: Sequence[int], marks: Mapping[str, Sequence[float]], hub: tuple[int, float], path: Path) -> None:
    """Draw what files of these sizes are worth, one line for each kind of mark, and the hub beside them."""
    mpl.use("svg")
    figure, axes = plt.subplots(figsize=(5, 3.5))
    for name, worth in marks.items():
        axes.plot(np.array(sizes) / 1000, worth, marker="o", linewidth=1, label=name)
    axes.axhline(hub[1], color="grey", linewidth=1, label=f"hub, {hub[0] / 1000:.0f} kB")
    axes.axhline(hub[1] - 0.01, color="grey", linewidth=1, linestyle=":", label="one point below")
    axes.set(xlabel="size of the file, kB", ylabel="balanced accuracy on strangers", xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _curve(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    thresholds = np.quantile(score, np.linspace(1, 0, 200))
    flagged = score[None] >= thresholds[:, None]
    return flagged[:, ~truth].mean(1), flagged[:, truth].mean(1)
