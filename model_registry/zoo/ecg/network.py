"""The network of every tier: a window becomes thirty frames a second, each of which sees seconds around itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_registry.zoo.ecg.annotation import CLASSES
from model_registry.zoo.ecg.recording import COUNTS_PER_MILLIVOLT

DILATIONS = (1, 2, 4, 8, 16)
BASELINE_SAMPLES = 121
"""One second at 120 Hz: a moving average this long follows the drift and not the beat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a network is: channels per frame, and in each round the dilations that it goes through."""

    width: int
    dropout: float
    rounds: tuple[tuple[int, ...], ...] = (DILATIONS, DILATIONS)
    mixes: bool = True
    """Whether a look at neighbours is followed by a layer that mixes channels; a small file cannot afford it."""


SHAPES = {
    "watch": Shape(width=16, dropout=0.0),
    "phone": Shape(width=24, dropout=0.05),
    "hub": Shape(width=48, dropout=0.1),
}


STUDENT_ROUNDS = ((1, 4, 16), (1, 8))
"""Fewer looks than the tiers take: in a file this small a layer costs more than the channels it could have had."""


def student_shape(width: int) -> Shape:
    """Return how a student of the hub is built that has to fit a small file."""
    return Shape(width=width, dropout=0.0, rounds=STUDENT_ROUNDS, mixes=False)


class Scaled(nn.Module):
    """float32[batch, 3600] in counts at 360 Hz to float32[batch, 1, 1200] at 120 Hz, level and of unit size."""

    def forward(self, ecg: Tensor) -> Tensor:
        """Downsample, remove the baseline, divide by the window's own size."""
        thirds = F.avg_pool1d(ecg.unsqueeze(1) / COUNTS_PER_MILLIVOLT, 3)
        half = BASELINE_SAMPLES // 2
        drift = F.avg_pool1d(thirds, BASELINE_SAMPLES, stride=1, padding=half, count_include_pad=False)
        level = thirds - drift
        size = level.abs().mean(dim=2, keepdim=True)
        return (level / (4 * size + 0.1)).clamp(-6, 6)


class Block(nn.Module):
    """A residual look at neighbours `dilation` frames away."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.look = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.look_norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1, bias=False)
        self.mix_norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, frames: Tensor) -> Tensor:
        """Return float32[batch, width, frames]."""
        seen = F.relu(self.look_norm(self.look(frames)))
        return frames + self.dropout(self.mix_norm(self.mix(seen)))


class Look(nn.Module):
    """A residual look at neighbours `dilation` frames away, in a single layer."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.look = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, frames: Tensor) -> Tensor:
        """Return float32[batch, width, frames]."""
        return frames + F.relu(self.norm(self.look(frames)))


class Reminder(nn.Module):
    """Tells every frame what the whole window looks like, so that a beat is compared with its patient's others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gist = nn.Conv1d(2 * width, width, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return float32[batch, width, frames]."""
        mean, peak = frames.mean(2, keepdim=True), frames.amax(2, keepdim=True)
        return frames + self.gist(torch.cat([mean, peak], dim=1))


class FrameNet(nn.Module):
    """Logits of a window and of each of its frames."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, half = shape.width, shape.width // 2
        self.scaled = Scaled()
        self.stem = nn.Sequential(
            nn.Conv1d(1, half, 15, stride=2, padding=7, bias=False),
            nn.BatchNorm1d(half),
            nn.ReLU(),
            nn.Conv1d(half, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*self._rounds(shape))
        self.beat = nn.Conv1d(width, 1 + len(CLASSES), 1)
        self.window = nn.Linear(2 * width + 1 + len(CLASSES), 1 + len(CLASSES))

    @staticmethod
    def _rounds(shape: Shape) -> Iterator[nn.Module]:
        for turn, dilations in enumerate(shape.rounds):
            if turn:
                yield Reminder(shape.width)
            for dilation in dilations:
                yield Block(shape.width, dilation, shape.dropout) if shape.mixes else Look(shape.width, dilation)

    def forward(self, ecg: Tensor) -> tuple[Tensor, Tensor]:
        """Return window logits float32[batch, 5] (anomaly, then classes) and frame logits float32[batch, 5, frames]."""
        return self.seen(self.scaled(ecg))

    def seen(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same for windows that are scaled already, float32[batch, 1, 1200]."""
        frames = self.blocks(self.stem(level))
        beat = self.beat(frames)
        seen = F.relu(frames)
        pooled = torch.cat([seen.amax(2), seen.mean(2), beat.amax(2)], dim=1)
        return self.window(pooled), beat


class Committee(nn.Module):
    """The mean opinion of several networks: smaller ones err elsewhere than larger ones, and cost little more."""

    def __init__(self, members: Sequence[FrameNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, ecg: Tensor) -> tuple[Tensor, Tensor]:
        """Return window logits float32[batch, 5] and frame logits float32[batch, 5, frames], as a FrameNet does."""
        if len(self.members) == 1:
            alone: tuple[Tensor, Tensor] = self.members[0](ecg)
            return alone
        windows, beats = zip(*(member(ecg) for member in self.members), strict=True)
        return torch.stack(windows).mean(0), torch.stack(beats).mean(0)
