"""Runs one node in the foreground; ``meshd run`` and the systemd unit start this module.

Kept apart from the command line, whose libraries a watch has no memory for.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from meshd import log
from meshd.config import load
from meshd.daemon.daemon import Daemon
from meshd.daemon.event_loop import new_event_loop
from meshd.errors import MeshError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes; return the exit status."""
    parser = argparse.ArgumentParser(prog="meshd run", description="Run this device's node in the foreground.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="meshd.toml; looked for in the usual places")
    options = parser.parse_args(arguments)
    try:
        loaded = load(options.config)
        log.configure(level=loaded.config.log.level, layout=loaded.config.log.format)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(Daemon(loaded.config).run())
    except MeshError as error:
        print(f"meshd: {error}", file=sys.stderr)  # noqa: T201 - before or after the log's time
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
