"""The model that is timed: so small that nearly all of a round trip is meshd's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.runtime.session import open_session

MODELS = Path(__file__).parent / "models"
"""What a daemon is given as ``models.dir``."""
NAME = "bench-tiny"
FOLDER = MODELS / NAME


class TinyModel:
    """The model as a daemon runs it, with nothing around it."""

    def __init__(self) -> None:
        manifest = manifests.load(FOLDER / MANIFEST)
        tier = manifest.tiers[0]
        taken = manifest.inputs[0]
        shape = tuple(extent if isinstance(extent, int) else manifest.axes[extent].min for extent in taken.shape)
        self.inputs: dict[str, NDArray[Any]] = {
            taken.name: np.random.default_rng(0).standard_normal(shape).astype(taken.dtype)
        }
        self._outputs = [tensor.name for tensor in tier.outputs]
        self.file = FOLDER / tier.variants[0].file
        """The artifact, for other servers to load."""
        self._session = open_session(self.file.read_bytes())

    def run(self) -> list[NDArray[Any]]:
        """Run it once."""
        return self._session.run(self._outputs, self.inputs)
