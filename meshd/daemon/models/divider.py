"""Has the stages of hosted models tried, one by one and in the background: until then each runs whole."""

from __future__ import annotations

import asyncio

from meshd import log
from meshd.daemon.models.hosting import Hosting
from meshd.executor.executor import Executor
from meshd.executor.hosted_model import HostedModel


class Divider:
    """Looks for models that can be cut whenever what is hosted has changed."""

    def __init__(self, hosting: Hosting, executor: Executor, *, keeps_tails_warm: bool) -> None:
        """``keeps_tails_warm``: peers hand parts of their runs to this node, and cannot wait for a load."""
        self._keeps_tails_warm = keeps_tails_warm
        self._hosting = hosting
        self._executor = executor
        self._changed = asyncio.Event()
        self._changed.set()
        self._refused: list[HostedModel] = []

    def stir(self) -> None:
        """Look again: something else may be hosted now."""
        self._changed.set()

    async def run(self) -> None:
        """Try whatever is hosted and was not tried, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            offered = self._hosting.offered()
            self._refused = [hosted for hosted in self._refused if hosted in offered]
            for hosted in offered:
                await self._divide(hosted)

    async def _divide(self, hosted: HostedModel) -> None:
        if hosted.variant.split is None or hosted.stages_ready or hosted in self._refused:
            return
        try:
            if await asyncio.to_thread(self._prepare, hosted):
                self._hosting.tell()
                return
        except Exception:  # noqa: BLE001 - the task boundary: the model stays whole
            log.get_logger().exception(log.TASK_FAILED, task="stages")
        self._refused.append(hosted)

    def _prepare(self, hosted: HostedModel) -> bool:
        if not self._executor.prepare_stages(hosted):
            return False
        if hosted.session is not None:
            self._executor.warm_ends(hosted, tails=self._keeps_tails_warm)
        return True
