"""Examine the shipped artifacts on recordings of known truth, with nothing but onnxruntime and numpy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model_registry.errors import RegistryError
from model_registry.zoo.ecg.errors import EcgError
from model_registry.zoo.ecg.family import SHIPPED, Family
from model_registry.zoo.ecg.opinions import TIERS, Opinions
from model_registry.zoo.ecg.recording import Windows, load_npz
from model_registry.zoo.ecg.report import at_prevalence, energy_sweep, report
from model_registry.zoo.ecg.tables import show

Figures = dict[str, Any]

DAILY_PREVALENCE = 0.05
RADIO_JOULES_PER_BYTE = np.array([0.12, 0.3, 0.743, 1.8, 4.6]) * 1e-6
"""From a low-energy radio alone to a whole phone on Wi-Fi. Source: model_registry/device_classes.toml."""


def evaluate(family: Family, windows: Windows) -> Figures:
    """Return the figures of the command's JSON.

    Raises: RecordingError when nobody annotated the windows.
    """
    opinions = Opinions.of(family, windows)
    return _with_artifacts(report(opinions, family.macs), family, windows)


def extended(opinions: Opinions, macs: Mapping[str, int]) -> Figures:
    """Return the figures together with what only the table shows: daily prevalence and the price of a byte."""
    return {
        **report(opinions, macs),
        "at_5_percent": at_prevalence(opinions, DAILY_PREVALENCE),
        "energy_sweep": energy_sweep(opinions, macs, RADIO_JOULES_PER_BYTE),
    }


def _with_artifacts(figures: Figures, family: Family, windows: Windows) -> Figures:
    for tier in TIERS:
        figures["tiers"][tier] |= {
            "bytes": family.variant(tier).size_bytes,
            "p50_ms": family.p50_ms(tier, windows.ecg),
        }
    return figures


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.ecg.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with sig_NNN, pos_NNN, sym_NNN")
    parser.add_argument("--records", help="only these, with commas between: 101,106")
    parser.add_argument("--bundle", type=Path, default=SHIPPED, help="folder with manifest.toml; the shipped one")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    asked = parser.parse_args(argv)
    try:
        records = asked.records.split(",") if asked.records else None
        windows = Windows.join([recording.windows() for recording in load_npz(asked.data, records)])
        family = Family(asked.bundle)
        if asked.json:
            print(json.dumps(evaluate(family, windows)))
        else:
            show(_with_artifacts(extended(Opinions.of(family, windows), family.macs), family, windows))
    except (EcgError, RegistryError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
