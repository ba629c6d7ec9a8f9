"""Tasks on Ray: a small one of our own on this machine, or the cluster of an address."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from model_registry.extra import installing
from policies.errors import WorkersUnusable
from policies.hands import Lost, first_line

_OBJECTS_BYTES = 128 * 2**20
"""What a local Ray may hold of tasks and results; more goes to a file. Ray takes a third of the memory otherwise."""
_AGENT_WITHIN_MS = "60000"
"""Ray's own limit for its agents is missed where a machine is busy."""
_REACHED_WITHIN_S = 10.0
"""Ray itself tries for two minutes before it says that nobody answers."""
_SHIPPED = ("meshd", "model_registry", "policies")
"""Packages that a cluster gets from here, so that what runs there is what was asked for."""


class RayTasks:
    """Tasks of a Ray that runs."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        # A task that dies is told at once: it would most likely die again.
        self._run = ray.remote(num_cpus=1, max_retries=0)(_run)

    @property
    def room(self) -> int:
        """Return how many tasks may be under way: one waits behind each that runs."""
        return 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def begin(self, attempt: Callable[[], Any]) -> Any:
        """Begin a task."""
        return self._run.remote(attempt)

    def ended(self, handles: Sequence[Any]) -> Sequence[Any]:
        """Wait until some have ended."""
        ended: list[Any] = self._ray.wait(list(handles), num_returns=1)[0]
        return ended

    def result(self, handle: Any) -> Any:
        """Return what came of a task."""
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayError as error:
            raise Lost(first_line(error)) from error


def _run(attempt: Callable[[], Any]) -> Any:
    return attempt()


@contextmanager
def ray_tasks(n_processes: int, address: str | None) -> Iterator[RayTasks]:
    """Give a Ray's tasks: of a local one with so many processes, or of the cluster of an address.

    Raises:
        WorkersUnusable: Ray is not installed, does not start, or lets nobody in.
    """
    with ExitStack() as ends:
        if address is None:
            folder = ends.enter_context(TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            ray = _locked_ray()
            ends.callback(ray.shutdown)
            _start(ray, n_processes, folder)
        else:
            ray = _imported_ray()
            ends.callback(ray.shutdown)
            _join(ray, address)
        yield RayTasks(ray)


def _imported_ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # It reports to its makers otherwise.
    try:
        return import_module("ray")
    except ModuleNotFoundError as error:
        hint = f"Run: {installing('ray')}. Without it a pool of processes does the same on this machine."
        raise WorkersUnusable(f"--ray needs '{error.name}', which is not installed.", hint=hint) from error


def _locked_ray() -> ModuleType:
    """Let nobody else in: Ray listens on every address of the machine, and whoever has the token runs anything.

    It reads both as it is imported, once for as long as the process lives.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex())
    os.environ.setdefault("RAY_agent_register_timeout_ms", _AGENT_WITHIN_MS)
    return _imported_ray()


def _start(ray: ModuleType, n_processes: int, folder: str) -> None:
    """Start a Ray of our own, without a dashboard, whose files go when it does."""
    try:
        ray.init(
            num_cpus=n_processes,
            object_store_memory=_OBJECTS_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            _temp_dir=folder,
        )
    except Exception as error:  # Ray raises no narrower one where a process of its own does not come up in time.
        hint = "Try again when the machine has less to do; a pool of processes does the same."
        raise WorkersUnusable(f"Ray does not start here: {first_line(error)}", hint=hint) from error


def _join(ray: ModuleType, address: str) -> None:
    """Have a cluster take in what runs here, packages and all."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    packages = [str(Path(str(import_module(name).__file__)).parent) for name in _SHIPPED]
    try:
        socket.create_connection((host, int(port)), _REACHED_WITHIN_S).close()
        ray.init(address=address, runtime_env={"py_modules": packages}, log_to_driver=False, logging_level="error")
    except (OSError, RuntimeError, ValueError) as error:
        message = f"There is no Ray cluster at {address} that lets us in: {first_line(error)}."
        hint = "Start one with 'ray start --head', name it as host:port, and put its token into RAY_AUTH_TOKEN."
        raise WorkersUnusable(message, hint=hint) from error
