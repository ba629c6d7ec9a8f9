"""`meshd run` becomes the daemon, and the daemon carries nothing of the command line."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from meshd.client import Client
from meshd.errors import DaemonUnreachable

pytestmark = pytest.mark.slow
PATIENCE_S = 30.0


def test_run_becomes_the_daemon_in_the_same_process(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="meshd-") as short:
        socket = Path(short) / "s"
        config = tmp_path / "meshd.toml"
        config.write_text(
            '[node]\nstate_dir = "state"\n[listen]\nhost = "127.0.0.1"\nport = 0\n'
            f'[client]\nsocket = "{socket}"\n[discovery]\nenabled = false\n'
        )
        command = [sys.executable, "-c", "from meshd.cli import main; main()", "run", "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                name = _name_when_up(socket, process)
                words = psutil.Process(process.pid).cmdline()
            finally:
                process.terminate()
        assert words[-4:] == ["-m", "meshd.daemon", "--config", str(config)]
        assert process.returncode == 0
        assert name


def _name_when_up(socket: Path, process: subprocess.Popen[bytes]) -> str:
    due_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < due_s:
        assert process.poll() is None, "the daemon ended"
        try:
            with Client(str(socket)) as mesh:
                return mesh.status().name
        except DaemonUnreachable:
            time.sleep(0.05)  # Another process is starting; nothing tells us when it has.
    raise AssertionError("the daemon did not come up")


def test_a_daemon_loads_neither_the_command_line_nor_what_only_training_needs() -> None:
    code = (
        "import sys, meshd.daemon.node, meshd.daemon.__main__\n"
        "heavy = {'typer', 'rich', 'torch', 'onnx', 'pandas', 'scipy', 'http', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
