"""What stands in a mesh for the models of a scenario that no daemon has: pictures, scenes and memos.

Rules of this file:

- A stand-in takes as many bytes as its model and answers with as many, bears the same codec, takes as many items at
  once, and is told to be as accurate and to multiply as much: that is what schedulers and policies see of a model.
- On each of the three nodes that hosts the model in the scenario it takes the seconds that the model truly takes there.
- It has one tier, as every model of the catalogue (scenario/models.toml) that is stood in for.
- It is never cut, and what it takes from cold is this machine's.
- Heart windows need none: every daemon has their model, in this machine's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isqrt

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass
from model_registry import codec
from model_registry.encoding import Encoding
from model_registry.tensor import Tensor
from policies.mesh.question import HOUSEHOLD, MODEL
from policies.scenario import Hosting, Model, Node, Scenario

Item = NDArray[np.uint8] | NDArray[np.float32]
"""What is asked about, the batch's axis first, of length 1."""

INPUT, OUTPUT = "item", "answer"
_COLOURS = 3
_QUALITY = 90
_LEVELS = 256
_GRAIN = 12
"""Pixels of a picture between points of chance: JPEG makes an eighth of it, as of photographs."""


class StandIn(Struct, frozen=True, kw_only=True):
    """One model that is stood in for."""

    model: ModelName
    tier: DeviceClass
    input_bytes: int
    """Of one item, as those of its answer below."""
    result_bytes: int
    codec: str | None
    """That the model bears in the scenario."""
    max_items: int
    further_item: float
    """Seconds of each item of a batch behind the first, as a share of the first one's."""
    macs: int
    accuracy: float
    seconds: Mapping[DeviceClass, float]
    """Of one item, by who hosts it."""

    @property
    def tensor(self) -> Tensor:
        """Return what goes in: a picture where the codec is JPEG, real numbers on a grid where it is uint8."""
        match self.codec:
            case "jpeg":
                side = isqrt(self.input_bytes // _COLOURS)
                plain = Tensor(name=INPUT, dtype="uint8", shape=("batch", side, side, _COLOURS))
                encoding = Encoding(codec="jpeg", ratio=1.0, quality=_QUALITY, error=1.0 / _LEVELS)
            case "uint8":
                plain = Tensor(name=INPUT, dtype="float32", shape=("batch", self.input_bytes // 4))
                encoding = Encoding(codec="uint8", ratio=1.0, scale=(1.0 / _LEVELS,))
            case _:
                return Tensor(name=INPUT, dtype="uint8", shape=("batch", self.input_bytes))
        return _with_ratio(plain, encoding, self.item)

    @property
    def item(self) -> Item:
        """Return what is asked about, the same whenever it is asked for."""
        chance = np.random.default_rng(self.input_bytes)
        if self.codec == "jpeg":
            return _picture(isqrt(self.input_bytes // _COLOURS), chance)
        if self.codec == "uint8":
            return (chance.integers(_LEVELS, size=(1, self.input_bytes // 4)) / _LEVELS).astype(np.float32)
        return chance.integers(_LEVELS, size=(1, self.input_bytes), dtype=np.uint8)

    @property
    def ratios(self) -> dict[str, float]:
        """Return the bytes on a link per byte of the item, by codec."""
        return {encoding.codec: encoding.ratio for encoding in self.tensor.encodings}


def stand_ins_of(scenario: Scenario, cast: Mapping[DeviceClass, Node]) -> tuple[StandIn, ...]:
    """Return what stands in for each model that one of the cast hosts in the scenario."""
    wanted = [model for model in scenario.models if model.name != MODEL]
    return tuple(_stand_in(model, found) for model in wanted if (found := dict(_hostings(model, cast))))


def hosts_of(stand_ins: Iterable[StandIn]) -> dict[DeviceClass, tuple[str, ...]]:
    """Return what each node hosts, as ``models.host`` takes it."""
    known = list(stand_ins)
    return {name: (MODEL, *(f"{one.model}:{one.tier}" for one in known if name in one.seconds)) for name in HOUSEHOLD}


def _hostings(model: Model, cast: Mapping[DeviceClass, Node]) -> Iterator[tuple[DeviceClass, Hosting]]:
    for name, node in cast.items():
        if hosting := next((one for one in node.hosted if one.announced.model == model.name), None):
            yield name, hosting


def _stand_in(model: Model, hostings: Mapping[DeviceClass, Hosting]) -> StandIn:
    announced = next(iter(hostings.values())).announced
    return StandIn(
        model=model.name,
        tier=announced.tier,
        input_bytes=model.input_bytes,
        result_bytes=model.result_bytes,
        codec=announced.ways[0].codec if announced.ways else None,
        max_items=announced.max_items,
        further_item=model.further_item,
        macs=announced.macs,
        accuracy=announced.accuracy,
        seconds={name: hosting.compute_s for name, hosting in hostings.items()},
    )


def _with_ratio(tensor: Tensor, encoding: Encoding, item: Item) -> Tensor:
    """Return a tensor that bears a codec, with what the codec makes of the item; without it where that is not here."""
    encoded = codec.encode(item, encoding)
    if encoded is None:
        return tensor
    return replace(tensor, encodings=(replace(encoding, ratio=len(encoded.content) / item.nbytes),))


def _picture(side: int, chance: np.random.Generator) -> Item:
    """Return uint8[1, side, side, colours], smooth between points of chance."""
    points = chance.uniform(0.0, 255.0, (side // _GRAIN + 2, side // _GRAIN + 2, _COLOURS))
    at = np.arange(side) / _GRAIN
    low = at.astype(int)
    part = at - low
    rows = points[low] * (1.0 - part)[:, None, None] + points[low + 1] * part[:, None, None]
    whole = rows[:, low] * (1.0 - part)[None, :, None] + rows[:, low + 1] * part[None, :, None]
    return np.asarray(whole, np.uint8)[None]
