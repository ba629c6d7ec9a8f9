"""What checking a signature costs a daemon: in its own memory, and in the time of a process of its own.

.venv/bin/python docs/decisions/measure/signature_check.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from model_registry.manifest import dumps, loads
from model_registry.store import bundled_models
from model_registry.trust.signature import signed
from model_registry.trust.signature_check import check
from model_registry.trust.signing_key import SigningKey

RUNS = 20
IN_THE_DAEMON = """
import numpy, ssl, sys, psutil
from model_registry.manifest import dumps, loads
manifest = loads(sys.stdin.read())
before = psutil.Process().memory_info().rss
from model_registry.trust.signature import verify
verify(manifest)
print((psutil.Process().memory_info().rss - before) / 1e6)
"""


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as folder:
        key = SigningKey.create(Path(folder) / "key.pem")
    text = next(iter(bundled_models().values())).joinpath("manifest.toml").read_text()
    manifest = signed(loads(text), key)
    times_ms = []
    for _ in range(RUNS):
        started_s = time.perf_counter()
        check(manifest)
        times_ms.append((time.perf_counter() - started_s) * 1e3)
    daemon = [sys.executable, "-c", IN_THE_DAEMON]
    kept = subprocess.run(daemon, check=True, capture_output=True, text=True, input=dumps(manifest)).stdout
    print(f"in the daemon: {float(kept):.1f} MB for good")
    print(f"in a process of its own: {statistics.median(times_ms):.0f} ms, slowest of {RUNS} {max(times_ms):.0f} ms")


if __name__ == "__main__":
    main()
