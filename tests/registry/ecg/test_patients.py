from __future__ import annotations

import pytest

from model_registry.zoo.ecg.family import Family
from model_registry.zoo.ecg.patients import DEMO_PATIENT, FOLDS, Split, fold, shipped

SPLITS = [shipped(), *(fold(index) for index in range(len(FOLDS)))]


@pytest.mark.parametrize("split", SPLITS)
def test_no_patient_changes_sides(split: Split) -> None:
    sides = [set(split.train), set(split.calibrate), set(split.test)]
    assert sum(map(len, sides)) == len(set.union(*sides))


@pytest.mark.parametrize("split", SPLITS)
def test_the_demo_patient_neither_teaches_nor_calibrates(split: Split) -> None:
    assert DEMO_PATIENT not in {*split.train, *split.calibrate}


def test_every_patient_is_examined_once() -> None:
    examined = [patient for index in range(len(FOLDS)) for patient in fold(index).test]
    assert len(examined) == len(set(examined)) == 22


def test_the_shipped_rules_were_calibrated_on_patients_that_taught_nothing(family: Family) -> None:
    for tier in ("watch", "phone"):
        assert family.rule(tier).bound.records == shipped().calibrate
