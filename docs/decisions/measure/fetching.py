"""How much to ask of a peer at a time: throughput of a fetch, and what requests beside it notice, by batch and window.

Run with the python of the virtual environment; loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from meshd.bench.distribution import measure_distribution

_CUSTOM = """
from meshd.daemon.models import gathering, pace
pace.MOST_BYTES, gathering.WINDOW = {batch_bytes}, {window}
"""


def main() -> None:
    """Print one row of a table for each setting."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    print("| batch | window | MB/s | p99 on the fetching node | p99 across the link | requests |")
    print("|---|---|---|---|---|---|")
    for batch_kib, window in ((16, 2), (64, 1), (64, 2), (64, 4), (256, 2)):
        with TemporaryDirectory() as folder:
            # Python reads this file at every start that finds it: so do the daemons, which are processes of their own.
            content = _CUSTOM.format(batch_bytes=batch_kib * 2**10, window=window)
            Path(folder, "sitecustomize.py").write_text(content)
            os.environ["PYTHONPATH"] = os.pathsep.join((folder, str(Path(__file__).parents[3])))
            found = asyncio.run(measure_distribution(rounds=chosen.rounds))
        print(
            f"| {batch_kib} KiB | {window} | {found.fetch_bps / 1e6:.0f} | {found.fetching_p99_ratio:.2f}x | "
            f"{found.lending_p99_ratio:.2f}x | {found.calls} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
