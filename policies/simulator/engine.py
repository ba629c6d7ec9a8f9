"""Runs stages on one device, for as long as they truly take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from meshd.core.commands import RunBatch, RunStage
from meshd.core.events import StageFailed, StageFinished, WarmedUp
from meshd.core.ids import RequestId
from meshd.core.node import HostedTier
from meshd.errors import ExecutionFailed
from policies.scenario import salt
from policies.simulator.agenda import Loaded, RunEnd
from policies.simulator.costs import NOBODY
from policies.simulator.held import Held
from policies.simulator.run import Run, median_s
from policies.simulator.terrain import number_of

if TYPE_CHECKING:
    from policies.simulator.device import Device
    from policies.simulator.world import World

_FAILS = salt("fails")


class Engine:
    """The slots of one device; how many runs begin is the scheduler's affair."""

    def __init__(self, world: World, device: Device) -> None:
        self.slowed_by = 1.0
        """By what the scenario has befall the device."""
        self._world = world
        self._device = device
        self._runs: dict[int, Run] = {}
        self._n_runs = self._n_loading = 0

    def runs_for(self, request: int) -> bool:
        """Tell whether something of an arrival runs."""
        return any(number_of(request_id) == request for run in self._runs.values() for request_id, _ in run.members)

    def run(self, command: RunStage, held: Mapping[RequestId, Held]) -> None:
        """Run a tier, or some stages of it, for one request."""
        entry = held[command.request_id]
        members = ((command.request_id, command.attempt),)
        self._begin(members, command.tier, command.first, command.last, entry.request.batch)

    def run_together(self, command: RunBatch, held: Mapping[RequestId, Held]) -> None:
        """Run a tier once for several requests."""
        items = sum(held[request_id].request.batch for request_id, _ in command.members)
        self._begin(command.members, command.tier, 0, None, items)

    def warm_up(self, tier: HostedTier) -> None:
        """Load a tier beside the slots, while nobody waits for it."""
        body, hosting = self._device.body, self._world.terrain.hosting(self._device.place, tier)
        load_s = body.memory.use(hosting, self._world.now, load_s=hosting.load_s * self.slowed_by)
        body.unsettle()
        self._world.n_running += 1
        self._n_loading += 1
        loaded = Loaded(place=self._device.place, life=self._device.life, tier=tier, load_s=load_s)
        self._world.agenda.put(self._world.now + load_s, loaded)

    def loaded(self, loaded: Loaded) -> None:
        """Account for what was loaded beside the slots, for no request, and tell of it."""
        self._world.n_running -= 1
        self._n_loading -= 1
        self._device.body.load(loaded.load_s, NOBODY)
        if loaded.load_s:
            self._device.feed(WarmedUp(tier=loaded.tier, load_s=loaded.load_s))

    def ended(self, number: int, held: Mapping[RequestId, Held]) -> list[StageFinished]:
        """Account for a run that is done; return what came of it for each request in it."""
        run = self._runs.pop(number)
        self._take(run)
        self._warm()
        return [self._finished(run, request_id, attempt, held.get(request_id)) for request_id, attempt in run.members]

    def told(self, finished: StageFinished) -> StageFinished | StageFailed:
        """Return what the scheduler is told of a run that is over: it may have come to nothing."""
        terrain, place, number = self._world.terrain, self._device.place, number_of(finished.request_id)
        share = terrain.nodes[place].fails
        if not share or terrain.luck.uniform(_FAILS, terrain.salts[place], number) >= share:
            return finished
        request_id, attempt = finished.request_id, finished.attempt
        return StageFailed(
            request_id=request_id, attempt=attempt, code=ExecutionFailed.code, message="the scenario has it fail"
        )

    def break_off(self) -> None:
        """Account for what runs as far as it came: the device dies."""
        for run in self._runs.values():
            self._take(run)
        self._world.n_running -= len(self._runs) + self._n_loading
        self._runs.clear()

    def _begin(
        self, members: tuple[tuple[RequestId, int], ...], tier: HostedTier, first: int, last: int | None, items: int
    ) -> None:
        body, now, number = self._device.body, self._world.now, number_of(members[0][0])
        hosting = self._world.terrain.hosting(self._device.place, tier)
        load_s = body.memory.use(hosting, now, load_s=hosting.load_s * self.slowed_by)
        body.unsettle()
        self._n_runs += 1
        run = self._runs[self._n_runs] = Run(
            members=members,
            tier=tier,
            first=first,
            last=last,
            items=items,
            began_s=now,
            load_s=load_s,
            compute_s=self._seconds(tier, first, last, items, number),
        )
        self._warm()
        self._world.n_running += 1
        end = RunEnd(place=self._device.place, life=self._device.life, run=self._n_runs)
        self._world.agenda.put(now + run.load_s + run.compute_s, end)

    def _seconds(self, tier: HostedTier, first: int, last: int | None, items: int, number: int) -> float:
        """Return what a run that begins now truly takes. Luck is the request's on this node, whoever else runs here."""
        terrain, place = self._world.terrain, self._device.place
        hosting, model = terrain.hosting(place, tier), terrain.model(tier.model)
        asked = terrain.scenario.arrivals[number].request
        seconds = median_s(hosting, first, last, item_bytes=asked.input_bytes / asked.batch)
        further = model.further_item if hosting.further_item is None else hosting.further_item
        seconds *= (1.0 + further * (items - 1)) * self.slowed_by * self._device.body.warmth.slowdown
        seconds *= terrain.nodes[place].understates
        if spread := terrain.nodes[place].speed_spread:
            seconds *= terrain.luck.lognormal(spread, terrain.salts[place], number)
        return seconds

    def _take(self, run: Run) -> None:
        """Charge a run to the requests in it, in equal parts."""
        load_s, compute_s = run.seconds_by(self._world.now)
        for request_id, _ in run.members:
            number = number_of(request_id)
            if load_s:
                self._device.body.load(load_s / len(run.members), number)
            self._device.body.compute(compute_s / len(run.members), number)

    def _warm(self) -> None:
        slots = self._device.profile.slots
        self._device.body.warmth.pass_time(self._world.now, len(self._runs) / slots)

    def _finished(self, run: Run, request_id: RequestId, attempt: int, entry: Held | None) -> StageFinished:
        score, anomalous, out_bytes = None, None, 0
        if run.is_last:
            truth = self._world.terrain.truth(number_of(request_id))
            alarm_at = self._world.terrain.model(run.tier.model).alarm_at
            score = truth.score(run.tier.tier)
            anomalous = None if alarm_at is None else truth.called_by(run.tier.tier, alarm_at)
        elif entry is not None and run.last is not None:
            out_bytes = entry.crossing_bytes[attempt] = _crossing_bytes(run.tier, run.last, entry)
        return StageFinished(
            request_id=request_id,
            attempt=attempt,
            compute_s=run.compute_s / self._world.terrain.nodes[self._device.place].understates,
            load_s=run.load_s,
            score=score,
            anomalous=anomalous,
            malformed=False,
            items=run.items,
            out_bytes=out_bytes,
        )


def _crossing_bytes(tier: HostedTier, stage: int, entry: Held) -> int:
    """Return what crosses before a stage, for all items of a request: as announced, for those of the smallest input."""
    return tier.stages[stage - 1].out_bytes * entry.request.batch
