"""A decision that a policy is asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshd.core.candidate import Observation
from meshd.core.commands import ChoosePlan
from meshd.core.mesh_view import MeshView
from tests.core.builders import arrived, hub, phone, scheduler, watch

Asked = tuple[Observation, MeshView, float]
Ask = Callable[..., Asked]


@pytest.fixture
def ask() -> Ask:
    """The three arguments of ``choose``, for a request on a watch beside a phone and a hub."""

    def asked(**changes: Any) -> Asked:
        made = scheduler(watch(), phone(), hub())
        (command,) = [told for told in made.handle(arrived(**changes), 5.0) if isinstance(told, ChoosePlan)]
        return command.observation, made.view, 5.0

    return asked
