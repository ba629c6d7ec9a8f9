"""``meshd run``: become the daemon."""

from __future__ import annotations

import os
import sys

from meshd.cli.options import ConfigOption


def run(config: ConfigOption = None) -> None:
    """Run the daemon of this device in the foreground."""
    from meshd.config import load

    loaded = load(config)  # A mistake in the file is told here, in full, before anything starts.
    named = ["--config", str(loaded.path)] if loaded.path else []
    # A fresh interpreter, so that the daemon does not carry the command line's libraries for years.
    # -P: a file in the working directory must not pass for a module.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "meshd.daemon", *named])  # noqa: S606
