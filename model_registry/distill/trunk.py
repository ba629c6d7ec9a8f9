"""From one input to a row of features: dense layers for a row of numbers, convolutions for signals and images.

Few layers and wide ones: in a quantised file every layer costs some 400 bytes beside its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Form = Literal["dense", "conv1d", "conv2d"]

SIGNAL_FROM = 128
"""A row of at least this many numbers is taken for a signal in time, a shorter one for features without an order."""

FRAMES = 400
"""The stem of a signal's trunk shortens it to at most this many frames."""

FURTHEST = 6.0
"""Normalised inputs end here, in standard deviations, so that one outlier does not stretch the range of int8."""

DILATIONS = (1, 4, 16, 1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How an input is looked at: its form, which axis holds channels, and what its numbers are like."""

    form: Form
    channel_axis: int | None
    shape: tuple[int, ...]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, examples: NDArray[Any], form: Form | None = None) -> View:
        """Look at examples [examples, ...] and choose, unless `form` says how."""
        shape = examples.shape[1:]
        form = form or _form(shape)
        axis = None if form == "dense" or len(shape) < 2 else _channel_axis(shape)
        numbers = examples.astype(np.float32).reshape(len(examples), *shape)
        over = _pooled_axes(form, axis, numbers.ndim)
        return cls(
            form=form,
            channel_axis=axis,
            shape=shape,
            mean=numbers.mean(over, keepdims=True)[0],
            spread=np.maximum(numbers.std(over, keepdims=True)[0], 1e-6),
        )

    @property
    def channels(self) -> int:
        """Return how many numbers there are at each moment or place."""
        return 1 if self.channel_axis is None else self.shape[self.channel_axis - 1]

    def trunk(self, width: int) -> Trunk:
        """Return a fresh trunk of this width."""
        return {"dense": Dense, "conv1d": Signal, "conv2d": Image}[self.form](self, width)


Views = Sequence[View]


class Trunk(nn.Module):
    """What all trunks share: numbers of any type come in, and are normalised."""

    features: int

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.register_buffer("mean", torch.from_numpy(view.mean))
        self.register_buffer("scale", torch.from_numpy(1 / view.spread))

    def normal(self, given: Tensor) -> Tensor:
        """Return float32 of the input's shape, centred and of unit size, channels first."""
        level = ((given.to(torch.float32) - self.mean) * self.scale).clamp(-FURTHEST, FURTHEST)
        axis = self.view.channel_axis
        if self.view.form == "dense":
            return level.flatten(1)
        if axis is None:
            return level.unsqueeze(1)
        return level if axis == 1 else level.movedim(axis, 1)


class Dense(Trunk):
    """Two layers."""

    def __init__(self, view: View, width: int) -> None:
        super().__init__(view)
        numbers = int(np.prod(view.shape, dtype=int))
        self.layers = nn.Sequential(nn.Linear(numbers, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.features = width

    def forward(self, given: Tensor) -> Tensor:
        """Return float32[batch, width]."""
        return torch.as_tensor(self.layers(self.normal(given)))


class Signal(Trunk):
    """A stem that shortens, then residual looks at neighbours ever further away."""

    def __init__(self, view: View, width: int) -> None:
        super().__init__(view)
        length = max(extent for axis, extent in enumerate(view.shape, start=1) if axis != view.channel_axis)
        half = max(width // 2, 2)
        self.stem = nn.Sequential(*_stem(view.channels, half, width, length))
        self.looks = nn.ModuleList([_look(width, dilation) for dilation in DILATIONS])
        self.features = 2 * width

    def forward(self, given: Tensor) -> Tensor:
        """Return float32[batch, 2 * width]: the largest and the mean of every channel."""
        frames = self.stem(self.normal(given))
        for look in self.looks:
            frames = frames + look(frames)
        return torch.cat([frames.amax(2), frames.mean(2)], dim=1)


class Image(Trunk):
    """Layers that each see twice as far, the first of half the width."""

    def __init__(self, view: View, width: int) -> None:
        super().__init__(view)
        sides = [extent for axis, extent in enumerate(view.shape, start=1) if axis != view.channel_axis]
        layers: list[nn.Module] = [*_layer(view.channels, max(width // 2, 2))]
        side, channels = min(sides) // 2, max(width // 2, 2)
        for _ in range(3):
            layers += _layer(channels, width, stride=2 if side >= 8 else 1)
            side, channels = (side // 2 if side >= 8 else side), width
        self.layers = nn.Sequential(*layers)
        self.features = 2 * width

    def forward(self, given: Tensor) -> Tensor:
        """Return float32[batch, 2 * width]: the largest and the mean of every channel."""
        seen = self.layers(self.normal(given))
        return torch.cat([seen.amax((2, 3)), seen.mean((2, 3))], dim=1)


def _stem(channels: int, half: int, width: int, length: int) -> list[nn.Module]:
    pooled = max(length // (4 * FRAMES), 1)
    first, second = (2 if length // pooled > FRAMES // 2 else 1), (2 if length // pooled > FRAMES else 1)
    layers: list[nn.Module] = [] if pooled == 1 else [nn.AvgPool1d(pooled)]
    layers += [nn.Conv1d(channels, half, 15, stride=first, padding=7, bias=False), nn.BatchNorm1d(half), nn.ReLU()]
    layers += [nn.Conv1d(half, width, 7, stride=second, padding=3, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
    return layers


def _look(width: int, dilation: int) -> nn.Module:
    conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(width), nn.ReLU())


def _layer(channels: int, width: int, stride: int = 2) -> list[nn.Module]:
    conv = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(width), nn.ReLU()]


def _form(shape: Sequence[int]) -> Form:
    match len(shape):
        case 0 | 1:
            return "conv1d" if shape and shape[0] >= SIGNAL_FROM else "dense"
        case 2:
            return "conv1d"
        case 3:
            return "conv2d"
        case _:
            return "dense"


def _channel_axis(shape: Sequence[int]) -> int:
    """Return the axis of channels, the batch counting as 0: the first or the last, whichever is shorter."""
    return 1 if shape[0] <= shape[-1] else len(shape)


def _pooled_axes(form: Form, channel_axis: int | None, rank: int) -> tuple[int, ...]:
    """Return the axes that statistics are taken over: all but the channels; of features, the examples alone."""
    if form == "dense":
        return (0,)
    return tuple(axis for axis in range(rank) if axis != channel_axis)
