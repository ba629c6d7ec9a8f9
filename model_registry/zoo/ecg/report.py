"""The figures of an evaluation, computed from what tiers and cascade said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.device_class import device_classes
from model_registry.zoo.ecg.beat_matching import tally
from model_registry.zoo.ecg.cascade import flags
from model_registry.zoo.ecg.energy import Bill
from model_registry.zoo.ecg.opinions import TIERS, Opinions
from model_registry.zoo.ecg.statistics import auroc, share, specificity_threshold

Figures = dict[str, Any]


def tier_figures(opinions: Opinions, tier: str) -> Figures:
    """Return how well one tier tells windows apart, alone and at its own threshold."""
    score = opinions.scores[tier]
    return {"auroc": auroc(score, opinions.truth), **_detection(flags(score), opinions.truth)}


def report(opinions: Opinions, macs: Mapping[str, int]) -> Figures:
    """Return every figure that needs no clock and no artifact.

    `watch_only` and `hub_only` are held to the cascade's specificity, so that their sensitivities can be compared with
    its own; how each tier does at its own threshold stands under `tiers`.
    """
    cascade, truth = opinions.cascade, opinions.truth
    windows, left, reached = len(truth), int(cascade.left_watch.sum()), int(cascade.reached_hub.sum())
    bill = Bill(power={name: known.power for name, known in device_classes().items()}, macs=macs)
    found = _detection(cascade.anomalous, truth)
    beats = tally(opinions.beats, opinions.marked).figures()
    return {
        "tiers": {tier: tier_figures(opinions, tier) for tier in TIERS},
        "beats": {name: beats[name] for name in ("S", "V", "F")},
        "cascade": {
            "auroc": auroc(cascade.score, truth),
            **found,
            "share_leaving_watch": left / windows,
            "share_reaching_hub": reached / windows,
            "energy_joules": bill.cascade_joules(windows, left, reached),
        },
        "watch_only": {
            **_at_specificity(opinions.scores["watch"], truth, found["specificity"]),
            "energy_joules": bill.watch_only_joules(windows),
        },
        "hub_only": {
            **_at_specificity(opinions.scores["hub"], truth, found["specificity"]),
            "energy_joules": bill.hub_only_joules(windows),
        },
        "windows": windows,
        "anomalous": int(truth.sum()),
    }


def at_prevalence(opinions: Opinions, prevalence: float) -> Figures | None:
    """Return the shares leaving the watch and reaching the hub were `prevalence` of the windows anomalous.

    Expected values: each kind of window keeps its own rate. None when either kind is missing.
    """
    truth, cascade = opinions.truth, opinions.cascade
    if truth.all() or not truth.any():
        return None
    return {
        name: prevalence * flag[truth].mean() + (1 - prevalence) * flag[~truth].mean()
        for name, flag in (("share_leaving_watch", cascade.left_watch), ("share_reaching_hub", cascade.reached_hub))
    }


def energy_sweep(opinions: Opinions, macs: Mapping[str, int], joules_per_byte: NDArray[np.float64]) -> list[Figures]:
    """Return what cascade and hub-only cost at each energy per radio byte."""
    windows, cascade = len(opinions.truth), opinions.cascade
    rows = []
    for joules in joules_per_byte:
        power = {name: known.with_radio_joules_per_byte(float(joules)) for name, known in device_classes().items()}
        bill = Bill(power=power, macs=macs)
        rows.append(
            {
                "joules_per_byte": float(joules),
                "cascade": bill.cascade_joules(windows, int(cascade.left_watch.sum()), int(cascade.reached_hub.sum())),
                "hub_only": bill.hub_only_joules(windows),
            }
        )
    return rows


def _detection(flagged: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Figures:
    return {"sensitivity": share(flagged[truth]), "specificity": share(~flagged[~truth])}


def _at_specificity(score: NDArray[np.floating], truth: NDArray[np.bool_], specificity: float | None) -> Figures:
    if specificity is None:
        return _detection(flags(score), truth)
    return _detection(flags(score, specificity_threshold(score, truth, specificity)), truth)
