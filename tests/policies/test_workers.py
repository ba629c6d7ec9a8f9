from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from time import sleep

import pytest

from policies.errors import FileUnusable, TaskFailed, WorkersUnusable
from policies.workers import Pool, Ray, Workers, in_order, workers_of

NEEDS_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="tasks on Ray need the `ray` extra")
FOREVER_S = 600.0


@pytest.fixture(scope="module", autouse=True)
def _tracker() -> None:
    """Begin what Python's multiprocessing keeps beside the first process that it spawns, until the end."""
    ensure_running()


def square(number: int) -> int:
    """What most tests ask for; some numbers are trouble."""
    match number:
        case 3:
            raise FileUnusable("arrivals.csv", 7, "no time", hint="Write seconds.")
        case 4:
            raise KeyError("forgotten")
        case 5:
            os.kill(os.getpid(), signal.SIGKILL)
        case 6:
            sleep(FOREVER_S)
    return number * number


def second_first(folder: Path, number: int) -> int:
    """End the first task behind the second."""
    if number == 1:
        (folder / "done").touch()
    while number == 0 and not (folder / "done").exists():
        sleep(0.01)
    return number


def process_of(number: int) -> int:
    return os.getpid()


def named(number: int) -> str:
    return f"world {number}"


@pytest.mark.parametrize("workers", [Pool(), Pool(2)])
def test_every_task_comes_back_with_what_came_of_it(workers: Workers) -> None:
    assert sorted(workers.each(square, (1, 2, 10))) == [(1, 1), (2, 4), (10, 100)]


def test_what_comes_early_waits_for_its_turn_where_an_order_is_asked_for(tmp_path: Path) -> None:
    assert list(in_order(Pool(2), partial(second_first, tmp_path), range(5))) == [0, 1, 2, 3, 4]


def test_a_pool_of_one_is_this_process_and_of_two_are_two_others() -> None:
    assert {pid for _, pid in Pool().each(process_of, range(3))} == {os.getpid()}
    others = {pid for _, pid in Pool(2).each(process_of, range(8))}
    assert os.getpid() not in others
    assert len(others) <= 2


def test_no_more_tasks_are_taken_than_can_be_under_way() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(7, 100):
            taken.append(number)
            yield number

    came = Pool(2).each(square, tasks())
    next(came)
    assert len(taken) <= 3


@pytest.mark.parametrize("workers", [Pool(), Pool(2)])
@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (3, "'world 3' failed: arrivals.csv:7: no time", "Write seconds."),
        (4, "'world 4' failed: KeyError", "in square"),
    ],
)
def test_what_a_task_raises_is_told_with_its_name_and_ends_the_others(
    workers: Workers, number: int, message: str, hint: str
) -> None:
    others = [6] if workers == Pool(2) else []
    with pytest.raises(TaskFailed) as failed:
        list(workers.each(square, [*others, number], name=named))
    assert message in failed.value.message
    assert hint in failed.value.hint


def test_a_task_whose_process_is_killed_is_named_and_ends_the_others() -> None:
    with pytest.raises(TaskFailed, match="'world 5' was lost with the process that ran it"):
        list(Pool(2).each(square, [6, 5], name=named))


def test_results_come_as_tasks_end_and_whoever_takes_no_more_leaves_nobody_at_work() -> None:
    came = Pool(2).each(square, [6, 1])
    assert next(came) == (1, 1)
    came.close()  # type: ignore[attr-defined]  # The fixture that looks for leaked processes is the assertion.


def test_a_command_line_gets_a_pool_unless_it_asks_for_ray() -> None:
    assert workers_of(3) == Pool(3)
    assert workers_of(3, ray=True) == Ray(3)
    assert workers_of(3, address="hub:6379") == Ray(3, "hub:6379")


def test_ray_that_is_not_installed_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkersUnusable, match=r"'ray', which is not installed.*\[ray\]"):
        list(Ray().each(square, [1]))


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

told_of = [told(Ray(1), [7, 8, 5]), told(Ray(address="127.0.0.1:9"), [1])]
print(json.dumps([*told_of, sys.modules["ray"].is_initialized(), os.environ["RAY_USAGE_STATS_ENABLED"]]))
"""


@NEEDS_RAY
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ray_gives_results_tells_whom_it_lost_and_leaves_nothing(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", ON_RAY],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    came, unreachable, is_left, reports = json.loads(outcome.stdout.splitlines()[-1])
    if "timed out during startup" in str(came):
        pytest.skip("Ray gives itself 30 s to start, which this machine was too busy for")
    assert unreachable[0].startswith("There is no Ray cluster at 127.0.0.1:9 that lets us in")
    assert came == [49, 64, "'world 5' was lost with the process that ran it."]
    assert (is_left, reports, list(tmp_path.iterdir())) == (False, "0", [])
