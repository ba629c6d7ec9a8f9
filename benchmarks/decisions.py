"""Measure one scheduling decision in meshes of several sizes.

Run: ``python -m benchmarks.decisions [--count 2000] [--json]``
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from meshd.bench.decisions import measure_decisions


def main() -> None:
    """Print the figures, as a table or as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="decisions per mesh; a tenth of it with 1,000 nodes")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure_decisions(arguments.count)
    if arguments.json:
        sys.stdout.write(msgspec.json.encode({"decision_us": figures}).decode() + "\n")
        return
    sys.stdout.write(f"{'nodes':>8}{'p50 us':>10}{'p99 us':>10}\n")
    for n_nodes, taken in figures.items():
        sys.stdout.write(f"{n_nodes:>8}{taken.p50:>10.1f}{taken.p99:>10.1f}\n")


if __name__ == "__main__":
    main()
