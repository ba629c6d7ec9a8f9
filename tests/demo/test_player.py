"""Every window that is sent is booked, whatever becomes of it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from meshd.client import AsyncClient
from meshd.core.node import DeviceClass
from meshd.core.request import Privacy
from meshd.demo.player import Player
from meshd.demo.scoreboard import Detection, Scoreboard
from meshd.demo.stream import Stream
from meshd.wire.messages import Infer
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.samples import ANSWER

STREAM = Stream(
    source="three windows",
    windows=np.arange(12, dtype=np.int16).reshape(3, 4),
    real=np.ones(3, bool),
    anomalous=np.array([True, False, True]),
)


@pytest.fixture
async def watch() -> AsyncIterator[tuple[FakeDaemon, AsyncClient]]:
    daemon = FakeDaemon()
    with tempfile.TemporaryDirectory(prefix="meshd-") as folder, daemon.serving(Path(folder) / "s"):
        async with AsyncClient(f"{folder}/s") as client:
            yield daemon, client


async def test_the_whole_stream_is_played_once_unless_a_time_is_given(watch: tuple[FakeDaemon, AsyncClient]) -> None:
    daemon, client = watch
    daemon.answer = ANSWER
    board = Scoreboard()
    player = Player(STREAM, client, board)
    await player.play(windows_per_s=None, duration_s=None)
    assert (board.submitted, board.completed, dict(board.played)) == (3, 3, {0: 1, 1: 1, 2: 1})
    assert sorted(asked.request_id for asked in daemon.asked) == [player.request_id(number) for number in range(3)]
    assert board.detection([True, False, True]) == Detection(sensitivity=1.0, specificity=0.0)


class Clock:
    """Time that passes while the player sleeps, and at no other time."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._yield = asyncio.sleep

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self._now_s += seconds
        await self._yield(0)


async def test_a_time_plays_the_stream_again_and_again_at_the_rate_that_was_asked(
    watch: tuple[FakeDaemon, AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("meshd.demo.player.time", clock)
    monkeypatch.setattr("meshd.demo.player.asyncio.sleep", clock.sleep)
    daemon, client = watch
    daemon.answer = ANSWER
    board = Scoreboard()
    await Player(STREAM, client, board).play(windows_per_s=64.0, duration_s=0.25)
    assert (board.submitted, board.completed, dict(board.played)) == (16, 16, {0: 6, 1: 5, 2: 5})


async def test_a_refusal_is_a_failure(watch: tuple[FakeDaemon, AsyncClient]) -> None:
    _, client = watch
    board = Scoreboard()
    await Player(STREAM, client, board).play(windows_per_s=None, duration_s=None)
    assert (board.submitted, dict(board.failed), board.lost) == (3, {"unknown_model": 3}, 0)


async def test_a_device_that_is_gone_loses_what_was_sent() -> None:
    board = Scoreboard()
    nowhere = AsyncClient("/nonexistent/meshd.sock", connect_timeout_s=0.1)
    await Player(STREAM, nowhere, board).play(windows_per_s=None, duration_s=None)
    assert (board.submitted, board.completed, board.lost) == (3, 0, 3)


@pytest.mark.parametrize(
    ("tier", "privacy"), [(DeviceClass.WATCH, Privacy.DEVICE), (DeviceClass.HUB, Privacy.HOUSEHOLD)]
)
async def test_one_tier_alone_is_asked_so_that_no_other_can_answer(
    tier: DeviceClass, privacy: Privacy, watch: tuple[FakeDaemon, AsyncClient]
) -> None:
    daemon, client = watch
    daemon.answer = ANSWER
    async with asyncio.timeout(30):
        verdicts = await Player(STREAM, client, Scoreboard()).judge([2, 0], tier=tier)
    assert verdicts == {0: True, 2: True}
    assert [(asked.privacy, asked.min_tier) for asked in daemon.asked if isinstance(asked, Infer)] == [
        (privacy, tier)
    ] * 2


async def test_a_device_that_is_gone_says_nothing_of_any_window() -> None:
    nowhere = AsyncClient("/nonexistent/meshd.sock", connect_timeout_s=0.1)
    assert await Player(STREAM, nowhere, Scoreboard()).judge([0, 1], tier=DeviceClass.WATCH) == {}
