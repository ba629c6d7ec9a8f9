"""Tabular Q-learning over kinds of places."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from meshd.core.candidate import Candidate, Observation
from meshd.core.ids import RequestId
from meshd.core.mesh_view import MeshView
from policies.baselines.learner import root_of
from policies.baselines.rungs import least, next_rung
from policies.scenario import salt

_MOST_OPEN = 4096
_NONE_S, _FAR = 1e-3, "far"


class AutoScaleParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source's three numbers; its choices are 0.1, 0.9 and 0.1."""

    curiosity: float = 0.05
    """Share of decisions that are taken at random."""
    learning_rate: float = 0.1
    """Share of what is new in what is believed. The source's devices are steadier than a household's."""
    discount: float = 0.1
    """What the next decision's value counts."""
    remembers: bool = True
    """Whether it goes on from the table of training worlds."""
    trusts_predictions: bool = False
    """Whether a place that was never tried is believed to cost what core predicts; else it looks free, and is tried."""


class AutoScaleMemory(Struct, kw_only=True):
    """The table: costs by state, then by kind of place."""

    table: dict[str, dict[str, float]] = field(default_factory=dict)


class AutoScale:
    """Learn by trying on which kind of place a kind of request costs least, in a kind of moment.

    Source: AutoScale (Kim and Wu 2020, MICRO): states are steps of what the network takes and of how busy, connected
    and charged the device is; actions are the places, here this node, a peer by its class, or a split; the reward
    is energy, with a penalty where quality of service is missed, which is our cost. Within a kind of place the least
    expected cost is taken. It learns while it is used, on top of a table from training worlds.
    """

    name = "autoscale"
    is_steady = False

    def __init__(self, parameters: AutoScaleParameters, memory: AutoScaleMemory | None = None) -> None:
        self._parameters = parameters
        known = memory.table if memory is not None and parameters.remembers else {}
        self._table = {state: dict(row) for state, row in known.items()}
        self._open: dict[str, tuple[str, str]] = {}
        self._state = ""
        """Of the latest decision."""

    @property
    def memory(self) -> AutoScaleMemory:
        """Return what it has learned, to be kept."""
        return AutoScaleMemory(table=self._table)

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the cheapest candidate on the kind of place that is believed best."""
        candidates, places = observation.candidates, dict[str, list[int]]()
        for index in next_rung(observation):
            places.setdefault(_place(candidates[index], view), []).append(index)
        state = self._state = _state(observation, view, now)
        best = {place: _cheapest(indices, candidates) for place, indices in sorted(places.items())}
        predicted = {place: candidates[index].prediction.cost for place, index in best.items()}
        place = self._chosen(state, predicted, observation.request_id, observation.decision)
        self._open.setdefault(root_of(observation.request_id), (state, place))
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]
        return best[place]

    def learn(self, request: str, cost: float) -> None:
        """Move the value of what was done first for a request towards what it cost and what may come next."""
        if (done := self._open.pop(request, None)) is None:
            return
        state, place = done
        row, then = self._table.setdefault(state, {}), self._table.get(self._state, {})
        target = cost + self._parameters.discount * min(then.values(), default=0.0)
        rate = self._parameters.learning_rate if place in row else 1.0
        row[place] = row.get(place, 0.0) + rate * (target - row.get(place, 0.0))

    def _chosen(self, state: str, predicted: Mapping[str, float], request_id: RequestId, decision: int) -> str:
        """Return the place believed best."""
        drawn = salt(f"autoscale {request_id} {decision}")
        if drawn % 1000 < 1000 * self._parameters.curiosity:
            return list(predicted)[drawn // 1000 % len(predicted)]
        untried = predicted if self._parameters.trusts_predictions else dict.fromkeys(predicted, 0.0)
        believed = {**untried, **self._table.get(state, {})}
        return min(predicted, key=lambda place: believed[place])


def _cheapest(indices: Sequence[int], candidates: Sequence[Candidate]) -> int:
    return least(indices, [candidates[index].prediction.cost for index in indices])


def _place(candidate: Candidate, view: MeshView) -> str:
    if candidate.is_split:
        return "split"
    if candidate.here:
        return "here"
    peer = view.peer(candidate.node_id)
    return peer.profile.device_class.value if peer is not None else _FAR


def _state(observation: Observation, view: MeshView, now: float) -> str:
    """Return the moment in steps, as the source has it: the network's work and input, load, links, charge."""
    known, own = observation.candidates[0].tier, view.own
    here = [one.prediction for one in observation.candidates if one.here and one.allowed]
    far = [one.prediction for one in observation.candidates if not one.here and one.allowed]
    fraction = 1.0 if own.telemetry.battery_fraction is None else own.telemetry.battery_fraction
    steps = (
        own.profile.device_class.rank,
        bisect_right((1e6, 1e7, 1e8, 1e9), known.macs),
        bisect_right((1e4, 1e5, 1e6), observation.input_bytes),
        bisect_right((_NONE_S, 0.05, 0.5), min((one.compute_s for one in here), default=9.0)),
        bisect_right((_NONE_S, 0.1, 1.0), min((one.queue_s + one.load_s for one in here), default=9.0)),
        bisect_right((0.02, 0.1, 0.5), min((one.transfer_s for one in far), default=9.0)),
        bisect_right((_NONE_S, 0.1, 1.0), min((one.queue_s + one.load_s for one in far), default=9.0)),
        view.radio.wakes(now),
        bisect_right((0.15, 0.4), fraction) if not own.telemetry.charging else 3,
        int(observation.above is not None),
    )
    return ".".join(map(str, steps))
