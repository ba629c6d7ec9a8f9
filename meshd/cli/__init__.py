"""The ``meshd`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_INTERRUPTED = 130
"""As shells have it: 128 and the number of SIGINT."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process; see :mod:`meshd.cli.exits` for the codes."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:  # Answered before typer and rich are loaded, which takes ten times as long.
        from meshd import __version__

        print(f"meshd {__version__}")
        return
    try:
        from meshd.cli.app import run

        run(words)
    except KeyboardInterrupt:  # While the libraries were loading; afterwards typer ends in the same way.
        sys.exit(_INTERRUPTED)
