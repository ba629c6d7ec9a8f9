"""A watch has no memory for what it does not need: seen in the modules of a daemon that has served."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import tomli_w

NEVER = {
    *("aiohttp", "cryptography", "fastapi", "flask", "gymnasium", "http", "iotcore", "matplotlib", "neurokit2", "onnx"),
    *("pandas", "requests", "rich", "scipy", "sklearn", "starlette", "torch", "typer", "uvicorn", "wfdb"),
}
USED = {"aiomqtt", "numpy", "onnxruntime", "zeroconf"}

# Stops as soon as it has tried to reach its broker, which is when the last library has been loaded.
PROGRAM = """
import asyncio, sys
from pathlib import Path
from meshd.client import AsyncClient
from meshd.config import load
from meshd.daemon.daemon import Daemon

async def serve_once():
    config = load(Path(sys.argv[1])).config
    daemon = Daemon(config)
    running = asyncio.create_task(daemon.run())
    while not config.client.socket.exists():
        await asyncio.sleep(0.01)
    async with AsyncClient(str(config.client.socket)) as client:
        while (await client.status()).mqtt.last_error is None:
            await asyncio.sleep(0.01)
    daemon.stop()
    await running

asyncio.run(serve_once())
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest_asyncio.fixture
async def no_broker() -> AsyncIterator[int]:
    """The port of something that lets everybody in and out again: only then is the MQTT library loaded."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.slow
async def test_a_watch_never_loads_training_plotting_http_or_the_command_line(tmp_path: Path, no_broker: int) -> None:
    tables = {
        "node": {"name": "watch", "device_class": "watch", "state_dir": str(tmp_path / "state")},
        "listen": {"host": "127.0.0.1", "port": 0},
        "client": {"socket": str(tmp_path / "watch.sock")},
        "discovery": {"interfaces": ["127.0.0.1"]},
        "mqtt": {"url": f"mqtt://127.0.0.1:{no_broker}"},
    }
    (tmp_path / "watch.toml").write_text(tomli_w.dumps(tables))
    command = (sys.executable, "-c", PROGRAM, str(tmp_path / "watch.toml"))
    watch = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    printed, _ = await watch.communicate()
    loaded = set(printed.decode().split())
    assert watch.returncode == 0
    assert loaded & NEVER == set()
    assert loaded >= USED
