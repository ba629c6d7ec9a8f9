"""What all parts of the conductor look into and write to."""

from __future__ import annotations

from itertools import count

from meshd.core.commands import Command
from meshd.core.explanation import Explanations
from meshd.core.ids import RequestId
from meshd.core.life import Life
from meshd.core.mesh_view import MeshView
from meshd.core.run_queue import RunQueue
from meshd.core.settings import Settings
from meshd.core.timers import Timers


class Books:
    """The live requests of one node, and what there is once for all of them."""

    def __init__(self, view: MeshView, settings: Settings, queue: RunQueue, commands: list[Command]) -> None:
        self.view = view
        self.settings = settings
        self.queue = queue
        self.commands = commands
        self.lives: dict[RequestId, Life] = {}
        self.timers = Timers(self.lives)
        self.explanations = Explanations(settings.max_explained)
        self.numbers = count(1)
        """For decisions and attempts; none is used twice."""
        self.waiting: dict[RequestId, Life] = {}
        """Those of the live requests that wait for a cheaper moment."""
        self.is_draining = False
        self.at: RequestId | None = None
        """The request that is looked at for another reason than an event of its own."""
