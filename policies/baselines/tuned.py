"""The parameters that tuning found for each family, and what learners had learned before: data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from policies.baselines.catalogue import BASELINES

ANY_FAMILY = "any"
"""Tuned on all training families together: for families that nobody tuned for."""

FOUND_BY = "found_by"
"""In the same file: what was found by which command."""

TUNED_FILE = "tuned.toml"


def memory_file(name: str) -> str:
    """Return where what a learner has learned is kept."""
    return f"{name}.memory.json"


def tuned(name: str, family: str) -> Mapping[str, object]:
    """Return the parameters of a baseline for a family; the defaults' empty mapping where none were tuned."""
    table = _table()
    found: Mapping[str, object] = table.get(family, table.get(ANY_FAMILY, {})).get(name, {})
    return found


@cache
def learned(name: str) -> Any:
    """Return what a baseline learned on training worlds; none where it learns nothing, or has not yet."""
    entry, form = files("policies.baselines").joinpath(memory_file(name)), BASELINES[name].memory
    if form is None or not entry.is_file():
        return None
    return msgspec.json.decode(entry.read_bytes(), type=form)


@cache
def _table() -> dict[str, dict[str, Any]]:
    entry = files("policies.baselines").joinpath(TUNED_FILE)
    if not entry.is_file():
        return {}
    return msgspec.toml.decode(entry.read_bytes(), type=dict[str, dict[str, Any]])
