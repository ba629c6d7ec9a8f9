"""Who may teach, who may calibrate, who may only examine: patients never change sides."""

from __future__ import annotations

from dataclasses import dataclass

DEMO_PATIENT = "208"
"""Played by the demo, hence never in training nor calibration."""

FOLDS = (
    ("101", "118", "119", "205"),
    ("106", "112", "114", "207", "208"),
    ("108", "122", "201", "215"),
    ("109", "115", "209", "223"),
    ("116", "124", "203", "220", "230"),
)
"""DS1 dealt into five hands so that each holds patients with S beats, with V beats, and with hardly any."""

SHIPPED_CALIBRATION = ("101", "119", "205", "220", "223")
"""Held-out patients of the shipped artifacts: nearly healthy, bigeminy, runs of V, runs of S, both S and V."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Three disjoint groups of patients."""

    train: tuple[str, ...]
    calibrate: tuple[str, ...]
    test: tuple[str, ...]


def fold(index: int) -> Split:
    """Return one round of the cross-validation: the next hand calibrates, the others teach."""
    calibrate = FOLDS[(index + 1) % len(FOLDS)]
    return _split(calibrate=calibrate, test=FOLDS[index])


def shipped() -> Split:
    """Return the split behind the shipped artifacts."""
    return _split(calibrate=SHIPPED_CALIBRATION, test=(DEMO_PATIENT,))


def _split(*, calibrate: tuple[str, ...], test: tuple[str, ...]) -> Split:
    everyone = sorted(patient for hand in FOLDS for patient in hand)
    held_out = {*calibrate, *test, DEMO_PATIENT}
    return Split(
        train=tuple(patient for patient in everyone if patient not in held_out),
        calibrate=tuple(patient for patient in calibrate if patient != DEMO_PATIENT),
        test=test,
    )
