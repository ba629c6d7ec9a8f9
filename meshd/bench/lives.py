"""How many requests a second one scheduler leads from arrival to answer: decision, run, what is learned of it, finish.

Time is made up, and so is the world: every run takes about what was announced, and peers are heard once a second. What
is left is core alone, which a simulator pays for each request.
"""

from __future__ import annotations

import time
from itertools import count

from meshd.bench.decisions import change, mesh
from meshd.core import events
from meshd.core.commands import Announce, ChoosePlan, Command, Finish, RunStage
from meshd.core.ids import ModelName, RequestId
from meshd.core.node import Telemetry
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request

_N_NODES = 3
_APART_S = 0.001
"""Between two requests: far more would be heartbeats and little else."""
_BEAT_S = 1.0
_SCATTER = (0.96, 1.01, 0.98, 1.03, 1.0, 0.99, 1.04)
"""What runs take of what was announced, in turns."""
_CALM = -1.0
"""A score that no tier of the mesh passes on."""


class Lives:
    """Requests one after the other through one scheduler of a small mesh, each run where it came in."""

    def __init__(self, *, cut: bool, anew: bool) -> None:
        """``anew`` has something change before each of them, so that nothing weighed before is taken up again."""
        self._scheduler = mesh(_N_NODES, cut=cut)
        self._peers = [node.profile for node in self._scheduler.view.nodes() if node.link is not None]
        self._anew = anew
        self._policy = LeastExpectedCost()
        self._numbers = count()
        self._now = self._beat_s = 0.0
        warm = tuple(hosted.artifact for hosted in self._scheduler.profile.hosted)
        loaded = events.HostChanged(warm=warm, battery_fraction=None, charging=False, free_memory_bytes=None)
        self._scheduler.handle(loaded, self._now)

    def per_second(self, n_requests: int) -> float:
        """Return the rate, by processor time."""
        for _ in range(n_requests // 10):
            self._live()
        begun_s = time.thread_time()
        for _ in range(n_requests):
            self._live()
        return n_requests / (time.thread_time() - begun_s)

    def _live(self) -> None:
        self._now += _APART_S
        if self._now >= self._beat_s:
            self._hear_peers()
        if self._anew:
            change(self._scheduler)
        number = next(self._numbers)
        name = RequestId(f"r{number}")
        asked = Request(request_id=name, model=ModelName("ecg"), input_bytes=4_000, deadline_s=10.0)
        commands = self._scheduler.handle(events.RequestArrived(request=asked), self._now)
        while not isinstance(command := commands.pop(0), Finish):
            commands += self._done(command, number)

    def _hear_peers(self) -> None:
        self._beat_s = self._now + _BEAT_S
        for peer in self._peers:
            warm = tuple(hosted.artifact for hosted in peer.hosted)
            heard = events.PeerHeard(node_id=peer.node_id, telemetry=Telemetry(warm=warm), rtt_s=0.002)
            self._scheduler.handle(heard, self._now)

    def _done(self, command: Command, number: int) -> list[Command]:
        """Do what is commanded and return what that leads to."""
        if isinstance(command, ChoosePlan):
            asked = command.observation
            index, policy = self._policy.choose(asked, self._scheduler.view, self._now), self._policy
            return self._scheduler.handle(
                events.PlanChosen(
                    request_id=asked.request_id,
                    decision=asked.decision,
                    index=index,
                    policy=policy.name,
                    is_steady=policy.is_steady,
                ),
                self._now,
            )
        if isinstance(command, Announce):
            return []
        assert isinstance(command, RunStage), "nowhere is cheaper than here"
        ended = events.StageFinished(
            request_id=command.request_id,
            attempt=command.attempt,
            compute_s=command.tier.compute_s * _SCATTER[number % len(_SCATTER)],
            load_s=0.0,
            score=_CALM,
            anomalous=False,
            malformed=False,
        )
        return self._scheduler.handle(ended, self._now)


def measure_lives(n_requests: int) -> dict[str, dict[str, float]]:
    """Return requests a second of one core: of models that can be cut and of whole ones, weighed anew or taken up."""
    kinds = {"cut": True, "whole": False}
    ways = {"anew": True, "taken_up": False}
    return {
        kind: {way: round(Lives(cut=cut, anew=anew).per_second(n_requests)) for way, anew in ways.items()}
        for kind, cut in kinds.items()
    }
