"""Asks every model in memory a question whose answer is known: what loads well may still answer wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from meshd import log
from meshd.core.ids import ArtifactHash
from meshd.errors import ExecutionFailed, ModelUnusable
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel
from model_registry.admission.admitted import Golden
from model_registry.admission.golden import golden_inputs
from model_registry.runtime.session import Session


class Prober:
    """Runs golden inputs through loaded sessions and holds the answers against those of the admission.

    A model that answers otherwise is loaded again from its verified file; one that still does is given up:
    ``on_wrong`` hears of it when it is out of memory already, ``on_reloaded`` when loading again has helped, and
    ``on_lost`` when it could not be loaded.
    """

    def __init__(self, executor: Executor) -> None:
        self.on_wrong: Callable[[ArtifactHash], Awaitable[object]] = _nothing
        self.on_reloaded: Callable[[ArtifactHash], Awaitable[object]] = _nothing
        self.on_lost: Callable[[ArtifactHash], Awaitable[object]] = _nothing
        self._executor = executor

    async def probe(self) -> None:
        """Ask every model that is in memory, one after the other."""
        for hosted in self._executor.hosted:
            if hosted.session is not None and not await self._is_right(hosted, hosted.session):
                log.get_logger().warning(log.PROBE_FAILED, model=str(hosted))
                await self._reload(hosted)

    async def _reload(self, hosted: HostedModel) -> None:
        if hosted not in self._executor.hosted:
            return  # It was let go meanwhile.
        self._executor.cool(hosted.artifact)
        try:
            await asyncio.to_thread(self._executor.warm, hosted.artifact)
        except ModelUnusable:
            await self.on_lost(hosted.artifact)
            return
        if hosted.session is None or await self._is_right(hosted, hosted.session):
            await self.on_reloaded(hosted.artifact)
            return
        self._executor.cool(hosted.artifact)
        await self.on_wrong(hosted.artifact)

    async def _is_right(self, hosted: HostedModel, session: Session) -> bool:
        golden = hosted.admitted.golden if hosted.admitted else None
        if golden is None or not golden.repeatable:
            return True
        return await asyncio.to_thread(_answers_rightly, hosted, session, golden)


def _answers_rightly(hosted: HostedModel, session: Session, golden: Golden) -> bool:
    inputs = golden_inputs(hosted.manifest, hosted.artifact, drawn=golden.drawn)
    try:
        return not golden.differences(hosted.run(session, inputs, hosted.inputs.extents(inputs)).outputs)
    except ExecutionFailed:
        return False


async def _nothing(_artifact: ArtifactHash) -> None:
    return
