"""Tasks on Ray, in one process for all tests: a Ray takes half a minute to start where a machine is busy."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from policies.errors import WorkersUnusable
from policies.workers import Ray
from tests.policies.test_workers import square

_STARTS = 4
"""Ray gives itself 30 s to start, which no setting changes: where a machine was too busy for that it is asked again."""

# A process of its own: Ray keeps what it read from the environment for as long as a process lives.
ON_RAY = """
import json, os, sys
from policies.errors import PoliciesError
from policies.workers import Ray
from tests.policies.test_workers import named, square

def told(workers, tasks):
    came = []
    try:
        for _, result in workers.each(square, tasks, name=named):
            came.append(result)
    except PoliciesError as error:
        came.append(error.message)
    return came

found = {"came": told(Ray(1), [7, 8, 5]), "unreachable": told(Ray(address="127.0.0.1:9"), [1])}
left = {"is_left": sys.modules["ray"].is_initialized(), "reports": os.environ["RAY_USAGE_STATS_ENABLED"]}
print(json.dumps(found | left))
"""


class Told(Struct, frozen=True, kw_only=True):
    """What that process prints, and leaves in its home."""

    came: list[int | str]
    unreachable: list[str]
    is_left: bool
    reports: str
    at_home: list[str] = []

    @property
    def is_late(self) -> bool:
        return "timed out during startup" in str(self.came)


@pytest.fixture(scope="session")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Told:
    if find_spec("ray") is None:
        pytest.skip("tasks on Ray need the `ray` extra")
    home: Path = tmp_path_factory.mktemp("home")
    return replace(_told(home), at_home=[path.name for path in home.iterdir()])


def _told(home: Path, starts: int = _STARTS) -> Told:
    environment = {**os.environ, "HOME": str(home)}
    ended = subprocess.run([sys.executable, "-c", ON_RAY], check=True, capture_output=True, env=environment)
    told = msgspec.json.decode(ended.stdout.splitlines()[-1], type=Told)
    return _told(home, starts - 1) if told.is_late and starts > 1 else told


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestOnRay:
    def test_results_come_and_a_task_is_named_that_was_lost_with_its_process(self, on_ray: Told) -> None:
        assert on_ray.came == [49, 64, "'world 5' was lost with the process that ran it."]

    def test_a_cluster_that_nobody_answers_for_is_told_within_seconds(self, on_ray: Told) -> None:
        (message,) = on_ray.unreachable
        assert message.startswith("There is no Ray cluster at 127.0.0.1:9 that lets us in")

    def test_nothing_is_left_of_it_and_nothing_was_reported_to_its_makers(self, on_ray: Told) -> None:
        assert (on_ray.is_left, on_ray.reports, on_ray.at_home) == (False, "0", [])


def test_ray_that_is_not_installed_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkersUnusable, match=r"'ray', which is not installed.*\[ray\]"):
        list(Ray().each(square, [1]))
