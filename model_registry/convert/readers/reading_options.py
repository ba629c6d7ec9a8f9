"""What a reader may need beside the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Consent, and an example for formats that say nothing about their inputs."""

    trust_pickle: bool = False
    """The user knows who made the file: loading it runs whatever code its maker put there."""
    examples: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Calibration data by input, first axis the items; empty when none was given."""
