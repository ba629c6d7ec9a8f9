"""MLServer with the same tiny model on the same machine: what throughput is compared with.

It gets an environment of its own, made by pip on first use and kept in the user's cache. Its settings are its fastest
for a model that takes microseconds: no worker processes (their queue costs more than the run), no metrics, no logs of
requests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from meshd.bench.tiny import TinyModel
from meshd.errors import SetupError

VERSION = "1.7.1"
_PATIENCE_S = 60.0
_LOOK_S = 0.1
_SETTINGS = {"parallel_workers": 0, "debug": False, "metrics_endpoint": None, "host": "127.0.0.1"}


def cache_folder() -> Path:
    """Return where the environment is kept: ``$XDG_CACHE_HOME`` or its default."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meshd" / f"mlserver-{VERSION}"


def installed(folder: Path) -> Path:
    """Return the program, after installing it there if it is missing.

    Raises:
        SetupError: pip could not install it.
    """
    program = folder / "bin" / "mlserver"
    if program.exists():
        return program
    python = str(folder / "bin" / "python")
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603 - words of our own
        subprocess.run(  # noqa: S603 - the same
            [python, "-m", "pip", "install", "-q", f"mlserver=={VERSION}", "onnxruntime"], check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SetupError(f"MLServer could not be installed: {error}.", hint="Look at what pip said above.") from error
    return program


class MLServer:
    """One that runs, and the request that is sent to it."""

    def __init__(self, port: int, model: TinyModel) -> None:
        self._port = port
        ((name, tensor),) = model.inputs.items()
        item = {"name": name, "shape": tensor.shape, "datatype": "FP32", "data": tensor.reshape(-1).tolist()}
        body = json.dumps({"inputs": [item]}).encode()
        head = f"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        self._request = f"{head}Content-Type: application/json\r\n\r\n".encode() + body

    async def measure_rps(self, clients: int, *, seconds: float) -> float:
        """Return the answers per second to clients that each keep a connection and ask as soon as they are answered."""
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(self._connected()) for _ in range(clients)]
            started = time.perf_counter()
            end_s = started + seconds
            answered = sum(await asyncio.gather(*(self._keep_asking(*stream, end_s) for stream in streams)))
            return round(answered / (time.perf_counter() - started), 1)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()

    async def _keep_asking(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, end_s: float) -> int:
        answered = 0
        while time.perf_counter() < end_s:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, *fields = head.decode("latin-1").lower().split("\r\n")
            length = next(int(field.partition(":")[2]) for field in fields if field.startswith("content-length:"))
            body = await reader.readexactly(length)
            if " 200 " not in status:
                raise SetupError(f"MLServer answered {status}: {body[:200]!r}.")
            answered += 1
        return answered


@asynccontextmanager
async def running_mlserver(model: TinyModel) -> AsyncIterator[MLServer]:
    """Run MLServer with the tiny model for as long as the context lasts.

    Raises:
        SetupError: it cannot be installed, or does not start.
    """
    program = await asyncio.to_thread(installed, cache_folder())
    with tempfile.TemporaryDirectory(prefix="meshd-") as folder:
        port = _prepare(Path(folder))
        environment = {**os.environ, "MODEL_FILE": str(model.file), "ORT_DISABLE_TELEMETRY": "1"}
        process = await asyncio.create_subprocess_exec(
            program, "start", folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await _until_it_listens(process, port)
            yield MLServer(port, model)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _prepare(folder: Path) -> int:
    """Write the settings and the runtime, and return the port."""
    ports = _free_ports(3)
    named = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    (folder / "settings.json").write_text(json.dumps({**_SETTINGS, **named}))
    model = {"name": "tiny", "implementation": "mlserver_runtime.OnnxModel"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    shutil.copy(Path(__file__).parent / "rivals" / "mlserver_runtime.py", folder)
    return ports[0]


async def _until_it_listens(process: asyncio.subprocess.Process, port: int) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    request = b"GET /v2/models/tiny/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    while time.monotonic() < end_s and process.returncode is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_LOOK_S)
            continue
        writer.write(request)
        said = await reader.read()
        writer.close()
        if b" 200 " in said.partition(b"\r\n")[0]:
            return
        await asyncio.sleep(_LOOK_S)
    raise SetupError("MLServer did not start.", hint=f"Remove {cache_folder()} and try again.")


def _free_ports(count: int) -> list[int]:
    """Return ports that were all free at one moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
