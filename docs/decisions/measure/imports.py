"""Measure what record 0004 states: what each library adds to a daemon's resident memory, in the order of use.

Run: `.venv/bin/python docs/decisions/measure/imports.py`
"""

import os
import subprocess
import sys

STEPS = (
    ("the interpreter", "pass"),
    ("asyncio, ssl, sqlite3", "import asyncio, ssl, sqlite3"),
    ("msgspec", "import msgspec"),
    ("psutil", "import psutil"),
    ("structlog (meshd.log)", "import meshd.log"),
    ("cryptography", "import cryptography.x509; from cryptography.hazmat.primitives.asymmetric import ec"),
    ("zeroconf", "import zeroconf.asyncio"),
    ("aiomqtt", "from meshd.mqtt.connection import _library; _library()"),
    ("numpy", "import numpy"),
    ("onnxruntime", "from model_registry.runtime.onnx_session import _onnxruntime; _onnxruntime()"),
    ("all of meshd", "import meshd.daemon.daemon"),
)
_RESIDENT = "import psutil; print(psutil.Process().memory_info().rss)"


def resident_mb(code: str, **environment: str) -> float:
    """Return the resident memory of a fresh interpreter after it ran some code."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_RESIDENT}"],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | environment,
    )
    return int(ran.stdout) / 1e6


def main() -> None:
    """Print one line for each step, and the whole under the settings that were tried."""
    code, before = "", 0.0
    for name, step in STEPS:
        code += f"{step}\n"
        now = resident_mb(code)
        sys.stdout.write(f"{name:28} {now - before:+7.1f} MB   {now:7.1f} MB\n")
        before = now
    for setting, value in (("MALLOC_ARENA_MAX", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONOPTIMIZE", "2")):
        sys.stdout.write(f"with {setting}={value:24} {resident_mb(code, **{setting: value}):7.1f} MB\n")


if __name__ == "__main__":
    main()
