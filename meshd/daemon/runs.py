"""Has stages run on this node and reports how they ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from meshd.core.commands import DropStage, RunBatch, RunStage, WarmUp
from meshd.core.events import Event, StageFailed, StageFinished, WarmedUp
from meshd.core.node import HostedTier
from meshd.daemon.ledger import Entry, Ledger, Outputs
from meshd.daemon.vitals import Vitals
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedKey
from meshd.executor.stage import StageEnd, StageResult
from meshd.wire.tensors import encode_tensors


class Runs:
    """Between the scheduler and the executor."""

    def __init__(self, ledger: Ledger, executor: Executor, vitals: Vitals, feed: Callable[[Event], None]) -> None:
        self._ledger = ledger
        self._executor = executor
        self._vitals = vitals
        self._feed = feed

    def run(self, command: RunStage) -> None:
        """Have a model, or some stages of it, run for a request."""
        entry, tier = self._ledger[command.request_id], command.tier
        last = len(tier.stages) if command.last is None else command.last
        self._vitals.computed(tier.macs_of(command.first, last) * entry.request.batch)
        done = partial(self._ended, entry, command.attempt, is_head=last < len(tier.stages))
        entry.stages[command.attempt] = self._executor.submit(
            _key(tier),
            entry.input_of(command.of),
            done,
            first=command.first,
            last=command.last,
            checked=(entry.checked_by, entry.extents) if entry.checked_by else None,
        )

    def run_together(self, command: RunBatch) -> None:
        """Have a model run once for several requests."""
        members = [(self._ledger[request_id], attempt) for request_id, attempt in command.members]
        self._vitals.computed(command.tier.macs * sum(entry.request.batch for entry, _ in members))
        asked = [(entry.inputs, partial(self._ended, entry, attempt, is_head=False)) for entry, attempt in members]
        stages = self._executor.submit_together(_key(command.tier), asked)
        for (entry, attempt), stage in zip(members, stages, strict=True):
            entry.stages[attempt] = stage

    def warm_up(self, command: WarmUp) -> None:
        """Have a model loaded in a thread; what it pushes out of memory is told with it."""
        loop = asyncio.get_running_loop()
        loading = loop.run_in_executor(None, self._executor.warm, command.tier.artifact)
        loading.add_done_callback(partial(self._warmed_up, command.tier))

    def drop(self, command: DropStage) -> None:
        """Call a run off, if it has not begun."""
        if stage := self._ledger[command.request_id].stages.get(command.attempt):
            stage.cancel()

    def _warmed_up(self, tier: HostedTier, loading: asyncio.Future[float]) -> None:
        if loading.cancelled():
            return
        if loading.exception() is not None:
            self._executor.on_unloadable(tier.artifact)
        elif load_s := loading.result():
            self._feed(WarmedUp(tier=tier, load_s=load_s))
        self._feed(self._vitals.sample())

    def _ended(self, entry: Entry, attempt: int, end: StageEnd, *, is_head: bool) -> None:
        request_id = entry.request.request_id
        if not isinstance(end, StageResult):
            self._feed(StageFailed(request_id=request_id, attempt=attempt, code=end.code, message=str(end)))
            return
        if end.load_s:
            self._feed(self._vitals.sample())  # What was loaded has made another one leave, perhaps.
        self._feed(
            StageFinished(
                request_id=request_id,
                attempt=attempt,
                compute_s=end.compute_s,
                load_s=end.load_s,
                items=end.items,
                score=end.score,
                anomalous=end.anomalous,
                malformed=end.malformed,
                out_bytes=0 if end.malformed else self._keep(entry, attempt, end, is_head=is_head),
            )
        )

    def _keep(self, entry: Entry, attempt: int, end: StageResult, *, is_head: bool) -> int:
        """Keep what a run gave for whoever continues or answers; return the bytes that may have to travel on."""
        if is_head:
            return self._ledger.hold_crossing(entry, attempt, end.outputs)
        entry.outputs[attempt] = Outputs(end.outputs, *encode_tensors(end.outputs))
        return 0


def _key(tier: HostedTier) -> HostedKey:
    return tier.model, tier.tier, tier.artifact
