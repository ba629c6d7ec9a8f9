"""What an inference gave: the output tensors, and the story behind them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from numpy.typing import NDArray
from typing_extensions import override

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ModelName, RequestId
from meshd.core.node import DeviceClass


class Result(Struct, frozen=True, kw_only=True):
    """Outputs by name, as the model's manifest describes them, and how they came to be."""

    request_id: RequestId
    outputs: dict[str, NDArray[Any]]
    """Read-only arrays; shapes and dtypes are those of the tier that answered."""
    answer: Answer

    @override
    def __repr__(self) -> str:
        """Tell outputs by their form: they may hold a thousand numbers, and more."""
        outputs = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self.outputs.items())
        return f"Result(request_id={self.request_id!r}, outputs={{{outputs}}}, answer={self.answer!r})"

    @property
    def model(self) -> ModelName:
        """Return the model that answered."""
        return self.answer.model

    @property
    def tier(self) -> DeviceClass:
        """Return the tier whose outputs these are."""
        return self.answer.tier

    @property
    def anomalous(self) -> bool | None:
        """Tell whether the answer is an alarm, by the manifest's threshold; none if the tier knows no alarms."""
        return self.answer.anomalous

    @property
    def confidence(self) -> float | None:
        """Return max(score, 1 - score) where the tier has a score."""
        return self.answer.confidence

    @property
    def degraded(self) -> bool:
        """Tell whether a larger model should have looked again and could not be reached in time."""
        return self.answer.degraded

    @property
    def escalations(self) -> int:
        """Return how many times a larger model looked again."""
        return self.answer.escalations

    @property
    def route(self) -> tuple[Hop, ...]:
        """Return the stages that ran, first to last."""
        return self.answer.route

    @property
    def timings(self) -> Timings:
        """Return where the time went, as seen by the daemon that was asked, in seconds."""
        return self.answer.timings

    @property
    def energy(self) -> Energy:
        """Return the joules that all nodes of the route spent, and whether they are an estimate."""
        return self.answer.energy
