from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from policies.errors import FileUnusable, TaskFailed
from policies.workers import Pool, Ray, Workers, in_order, workers_of

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


POOL_OF_TWO = """
from policies.workers import Pool
from tests.policies.test_workers import square
for task, came in Pool(2).each(square, [2, 6, 6]):
    print(came, flush=True)
"""


def test_processes_end_with_the_one_that_began_them_also_where_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", POOL_OF_TWO], stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        assert begun.stdout.readline() == "4\n"
        begun.kill()
        assert begun.stdout.read() == "", "it ends when nobody is left who could write"


BROKEN_OFF = f"""
try:
    {POOL_OF_TWO.strip().replace(chr(10), chr(10) + "    ")}
except KeyboardInterrupt:
    print("broken off")
"""


def test_ctrl_c_is_heard_by_the_command_alone_and_its_processes_end_without_a_word() -> None:
    piped = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", BROKEN_OFF], stdout=piped, stderr=piped, text=True, start_new_session=True
    ) as begun:
        assert begun.stdout is not None
        assert begun.stderr is not None
        assert begun.stdout.readline() == "4\n"
        os.killpg(begun.pid, signal.SIGINT)
        assert begun.stdout.read() == "broken off\n"
        assert not begun.stderr.read()


def test_ctrl_c_that_comes_while_a_task_is_begun_ends_its_process_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = ProcessPoolExecutor.submit

    def interrupted(pool: ProcessPoolExecutor, work: Any, *given: Any) -> Any:
        future = begun(pool, work, *given)
        if isinstance(work, partial) and work.args[-1] == 6:
            raise KeyboardInterrupt
        return future

    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(
            Pool(2).each(square, [2, 1, 6])
        )  # Not in ten minutes: what was begun is ended, though nobody has its future.


def test_a_command_line_gets_a_pool_unless_it_asks_for_ray() -> None:
    assert workers_of(3) == Pool(3)
    assert workers_of(3, ray=True) == Ray(3)
    assert workers_of(3, address="hub:6379") == Ray(3, "hub:6379")
