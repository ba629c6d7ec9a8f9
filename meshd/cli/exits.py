"""How a command ends: exit codes that scripts can rely on, and errors that say what, why and what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from meshd.errors import DaemonUnreachable, MeshError
from model_registry.errors import RegistryError
from model_registry.zoo.ecg.errors import EcgError


class Exit(IntEnum):
    """Codes of all commands; beside them, typer ends an interrupted one with 130, as shells have it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNHEALTHY = 4


@contextmanager
def told_as_exit_code() -> Iterator[None]:
    """Turn errors that a user can act on into a message on stderr and an exit code, without a traceback."""
    try:
        yield
    except DaemonUnreachable as error:
        _end(Exit.UNREACHABLE, error.message, error.hint)
    except MeshError as error:
        _end(Exit.FAILED, error.message, error.hint)
    except RegistryError as error:
        _end(Exit.FAILED, error.message, error.hint)
    except EcgError as error:
        _end(Exit.FAILED, f"{error}.")
    except BrokenPipeError:  # Whoever read our output has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)


def _end(code: Exit, what: str, hint: str = "") -> None:
    print(f"meshd: {what}", file=sys.stderr)
    if hint:
        print(hint.strip("\n"), file=sys.stderr)
    sys.exit(code)
