"""Windows drawn once for several students, with what the hub's network says of each: it need not be asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_registry.distill.examples import draws
from model_registry.zoo.ecg.learning import Task
from model_registry.zoo.ecg.network import Committee, Scaled
from model_registry.zoo.ecg.recording import Recording
from model_registry.zoo.ecg.sampling import Batch, Sampler

BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A batch to learn from: `level` float32[batch, 1, 1200], what to answer, and what the teacher answers."""

    level: Tensor
    task: Task
    window: Tensor
    beat: Tensor


class Pool:
    """Windows in half precision: 6 kB each with everything that is known of them."""

    def __init__(self, recordings: Sequence[Recording], teacher: Committee, seed: int) -> None:
        self._sampler = Sampler(recordings, seed)
        self._teacher, self._scaled = teacher.eval(), Scaled()
        self._kept: dict[str, NDArray[np.generic]] = {}

    def __len__(self) -> int:
        return len(self._kept["level"])

    def fill(self, windows: int) -> Iterator[int]:
        """Draw windows and ask the teacher; tell after each batch how many there are."""
        parts: dict[str, list[NDArray[np.generic]]] = {}
        for drawn in range(BATCH, windows + 1, BATCH):
            for name, part in self._drawn().items():
                parts.setdefault(name, []).append(part)
            yield drawn
        self._kept = {name: np.concatenate(part) for name, part in parts.items()}

    def portions(self, steps: int, seed: int) -> Iterator[Portion]:
        """Yield a batch for each step, every window once before any comes again."""
        return (self._portion(index) for index in draws(len(self), BATCH, steps, seed))

    def _drawn(self) -> dict[str, NDArray[np.generic]]:
        batch = self._sampler.batch(BATCH)
        ecg = torch.from_numpy(batch.ecg)
        with torch.no_grad():
            level = self._scaled(ecg)
            window, beat = self._teacher(ecg)
        return {
            "level": level.numpy().astype(np.float16),
            "presence": batch.presence.astype(np.float16),
            "klass": batch.klass.astype(np.int8),
            "aami": batch.aami.astype(np.int8),
            "window": window.numpy(),
            "beat": beat.numpy().astype(np.float16),
        }

    def _portion(self, index: NDArray[np.intp]) -> Portion:
        taken = {name: part[index].astype(np.float32) for name, part in self._kept.items()}
        batch = Batch(
            ecg=taken["level"],
            presence=taken["presence"],
            klass=taken["klass"].astype(np.int64),
            aami=taken["aami"],
            anomaly=taken["aami"][:, 1:].max(axis=1),
        )
        return Portion(
            level=torch.from_numpy(taken["level"]),
            task=Task(batch),
            window=torch.from_numpy(taken["window"]),
            beat=torch.from_numpy(taken["beat"]),
        )
