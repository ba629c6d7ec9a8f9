"""The pump between scheduler and world: every request that was fed in comes out, whatever raises on the way."""

from __future__ import annotations

from typing import NoReturn

import pytest

from meshd.core.answer import Failure
from meshd.core.commands import Command, Finish
from meshd.daemon.pump import Pump
from tests.core.builders import arrived, hub, scheduler, watch


def break_down(*_: object) -> NoReturn:
    raise ArithmeticError


async def test_an_event_at_which_the_scheduler_raises_ends_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scheduler(watch(), hub())
    monkeypatch.setattr(made.view, "weigh_doubts", break_down)
    performed: list[Command] = []
    pump = Pump(made)
    pump.start(performed.append)
    pump.feed(arrived())
    pump.stop()
    (end,) = (command for command in performed if isinstance(command, Finish))
    assert isinstance(end.outcome, Failure)
    assert end.outcome.code == "internal_error"
