"""What a daemon serves for what is configured, and what it says where it cannot."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from meshd.core.candidate import WAIT
from meshd.core.request import Priority
from meshd.policy.guard import Guard
from meshd.policy.served import SHIPPED_PATH, Served, served
from tests.policy.conftest import Ask

_MOST_BYTES = 200_000


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The network of a copy of the shipped policy."""
    return copytree(SHIPPED_PATH.parent, tmp_path / "shipped") / SHIPPED_PATH.name


def test_the_policy_that_comes_with_meshd_is_small_guarded_and_chooses_among_what_is_allowed(ask: Ask) -> None:
    found = served("shipped")
    assert isinstance(found.policy, Guard)
    assert (found.note, found.problem) == ("", None)
    assert SHIPPED_PATH.stat().st_size <= _MOST_BYTES
    observation, view, now = ask(deadline_s=30.0, priority=Priority.BACKGROUND)
    index = found.policy.choose(observation, view, now)
    assert index == WAIT or observation.mask[index]


def test_a_file_that_is_named_is_served_and_guarded(shipped: Path) -> None:
    found = served(str(shipped))
    assert isinstance(found.policy, Guard)
    assert (found.policy.name, found.problem) == (served("shipped").policy.name, None)


def test_the_heuristic_is_served_where_it_is_asked_for(tmp_path: Path) -> None:
    found = served("least-expected-cost", shipped=tmp_path / "none.onnx")
    assert (found.policy.name, found.note, found.problem) == ("least-expected-cost", "", None)


def test_where_the_shipped_policy_is_missing_the_heuristic_serves_and_it_is_told_what_to_do(shipped: Path) -> None:
    shipped.with_suffix(".toml").unlink()
    check_stands_in(served("shipped", shipped=shipped), "policy.toml cannot be read: No such file or directory")


def test_where_the_shipped_policy_is_damaged_the_heuristic_serves_and_it_is_told_what_to_do(shipped: Path) -> None:
    content = shipped.read_bytes()
    shipped.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    check_stands_in(served("shipped", shipped=shipped), "policy.onnx is not the file that policy.toml describes")


def test_where_a_policy_that_is_named_is_missing_the_hint_is_about_the_setting(tmp_path: Path) -> None:
    found = served(str(tmp_path / "none.onnx"))
    assert found.policy.name == "least-expected-cost"
    assert found.problem is not None
    assert found.problem.message.endswith("none.toml cannot be read: No such file or directory.")
    assert found.problem.hint.startswith("Look at scheduler.policy")


def check_stands_in(found: Served, message: str) -> None:
    assert found.policy.name == "least-expected-cost"
    assert found.problem is not None
    assert found.problem.message.rpartition("/")[2].startswith(message)
    assert found.note == found.problem.message.rstrip(".")
    assert found.problem.hint.startswith("Install meshd again")
