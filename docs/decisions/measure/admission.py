"""Measure what record 0012 states: what a trial costs, what limits do to onnxruntime, how many nodes are many.

Run: `.venv/bin/python docs/decisions/measure/admission.py`; it needs the extras `convert` and `litert`.
"""

import os
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

import numpy as np
import tomli_w
from onnx import TensorProto, helper, numpy_helper

from meshd.client import Client
from meshd.errors import MeshError
from model_registry import manifest as manifests
from model_registry.admission import confinement
from model_registry.admission.admit import admit
from model_registry.admission.admitted import Limits
from model_registry.bundle import MANIFEST
from model_registry.errors import RegistryError
from model_registry.runtime.session import open_session, runtime_version
from model_registry.store import bundled_models

LIMITS = Limits(memory_bytes=1 << 30, wall_s=60.0, size_bytes=1 << 30)
BUNDLE = Path(str(bundled_models()["ecg-anomaly"]))
TRIALS = 5
SPARE_BYTES = 256 << 20
BOMB_BYTES = 1 << 30
PATIENCE_S = 60.0


def main() -> None:
    """Measure everything, or in a process of its own one part."""
    if sys.argv[1:]:
        {"limit": try_limit, "litert": import_litert, "nodes": load_nodes}[sys.argv[1]](*sys.argv[2:])
        return
    show_trials()
    for name in ("none", "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
        part("limit", name)
    part("litert")
    for nodes in (1_000, 5_000, 10_000, 20_000, 50_000):
        part("nodes", str(nodes))
    for device_class in ("watch", "phone", "hub"):
        show_start(device_class)


def show_trials() -> None:
    """Print what a trial of each shipped tier takes, and what it finds."""
    manifest = manifests.load(BUNDLE / MANIFEST)
    for tier in manifest.tiers:
        variant = tier.variants[0]
        content = (BUNDLE / variant.file).read_bytes()
        times = []
        for _ in range(TRIALS):
            started = perf_counter()
            admitted = admit(content, manifest, tier, variant, LIMITS)
            times.append(perf_counter() - started)
        show(
            f"trial of {tier.name}: {median(times):.2f} s; model {admitted.peak_memory_bytes / 1e6:.1f} MB, process "
            f"{admitted.process_peak_bytes / 1e6:.1f} MB at its peak; p50 {admitted.smallest_p50_s * 1e3:.2f} ms, "
            f"largest {admitted.largest_s * 1e3:.0f} ms"
        )


def try_limit(name: str) -> None:
    """Print whether a sound model runs under a limit, and whether one that asks for 1 GiB is stopped."""
    runtime_version()
    occupied = {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData", "RLIMIT_RSS": "VmRSS"}.get(name)
    if occupied:
        limit = confinement._status_bytes(occupied) + SPARE_BYTES  # type: ignore[operator]  # noqa: SLF001
        resource.setrlimit(getattr(resource, name), (limit, limit))
    elif name != "none":
        limit = {"RLIMIT_NPROC": 0, "RLIMIT_FSIZE": 1 << 20, "RLIMIT_NOFILE": 8}[name]
        resource.setrlimit(getattr(resource, name), (limit, limit))
    tier = manifests.load(BUNDLE / MANIFEST).tiers[0]
    sound = outcome((BUNDLE / tier.variants[0].file).read_bytes())
    show(f"under {name}: a sound model {sound}; a bomb of 1 GiB {outcome(bomb())}")


def outcome(content: bytes) -> str:
    """Load and run a model and say how that ended."""
    try:
        session = open_session(content)
        inputs = {t.name: np.zeros([e if isinstance(e, int) else 1 for e in t.shape], t.dtype) for t in session.inputs}
        session.run([tensor.name for tensor in session.outputs], inputs)
    except RegistryError as error:
        return f"fails ({error.message[-40:]})"
    return "runs"


def import_litert() -> None:
    """Print what importing LiteRT costs a process that has numpy already."""
    before, started = confinement.resident_bytes(), perf_counter()
    version = runtime_version("tflite")
    took_s, taken = perf_counter() - started, confinement.resident_bytes() - before
    show(f"LiteRT {version}: {took_s * 1e3:.0f} ms and {taken / 1e6:.1f} MB to import")


def load_nodes(number: str) -> None:
    """Print what loading so many nodes takes."""
    runtime_version()
    content, before, started = chain(int(number)), confinement.resident_bytes(), perf_counter()
    confinement.forget_peak()
    open_session(content)
    took_s, taken = perf_counter() - started, confinement.peak_bytes() - before
    show(f"{int(number):6,} nodes: loaded in {took_s:.2f} s, {taken / 1e6:.0f} MB")


def show_start(device_class: str) -> None:
    """Print how long a daemon takes to answer, the first time and when it has admitted its models before."""
    with TemporaryDirectory(prefix="meshd-") as folder:
        first_s, later_s = started_in(Path(folder), device_class), started_in(Path(folder), device_class)
        (Path(folder) / "admitted.json").unlink()
        untried_s = started_in(Path(folder), device_class)
    show(
        f"start of a {device_class}: {first_s:.2f} s the first time, {later_s:.2f} s later; "
        f"{untried_s - later_s:.2f} s of the difference is the trial"
    )


def started_in(folder: Path, device_class: str) -> float:
    """Start a daemon and return the seconds until it tells a client what it hosts."""
    tables = {
        "node": {"name": device_class, "device_class": device_class, "state_dir": str(folder)},
        "listen": {"host": "127.0.0.1", "port": 0},
        "client": {"socket": str(folder / "client.sock")},
        "discovery": {"enabled": False},
    }
    (folder / "meshd.toml").write_text(tomli_w.dumps(tables))
    command = [sys.executable, "-P", "-m", "meshd.daemon", "--config", str(folder / "meshd.toml")]
    started = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not hosts(folder / "client.sock"):
                assert perf_counter() - started < PATIENCE_S
                sleep(0.005)
            return perf_counter() - started
        finally:
            process.terminate()


def hosts(socket: Path) -> bool:
    """Tell whether a daemon is there and hosts something."""
    try:
        with Client(str(socket), connect_timeout_s=1.0) as client:
            return bool(client.models().models)
    except (MeshError, OSError):
        return False


def chain(nodes: int) -> bytes:
    """Return a model of this many nodes in a row."""
    names = ["x", *(f"t{i}" for i in range(nodes - 1)), "y"]
    return model([helper.make_node("Sigmoid", [a], [b]) for a, b in pairwise(names)])


def bomb() -> bytes:
    """Return a model of a hundred bytes that fills 1 GiB."""
    shape = numpy_helper.from_array(np.array([BOMB_BYTES // 4], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    return model(nodes)


def model(nodes: list[object]) -> bytes:
    """Return a model from x to y, both `float32[n]`."""
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", tensors[:1], tensors[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = made.SerializeToString()
    return content


def part(*arguments: str) -> None:
    """Measure in a process of its own what cannot be taken back."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, __file__, *arguments], check=True, env=environment)


def show(line: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
