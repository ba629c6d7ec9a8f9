import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

import pytest

from meshd.errors import AddressInUse, SetupError
from meshd.mqtt.broker import EmbeddedBroker

pytestmark = pytest.mark.slow


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def test_a_broker_answers_on_loopback_until_it_is_stopped() -> None:
    with EmbeddedBroker() as broker:
        assert answers(broker.port)
        assert broker.url == f"mqtt://127.0.0.1:{broker.port}"
    assert not answers(broker.port)


def test_a_broker_starts_again_on_the_same_port() -> None:
    with EmbeddedBroker() as first:
        pass
    with EmbeddedBroker(port=first.port) as second:
        assert answers(second.port)


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"cannot listen on 127.0.0.1:{port}"):
            EmbeddedBroker(port=port).start()


def test_without_iotcore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iotcore", None)
    with pytest.raises(SetupError, match="or run: pip install"):
        EmbeddedBroker().start()


def test_a_broker_ends_with_the_process_that_started_it() -> None:
    script = (
        "from meshd.mqtt.broker import EmbeddedBroker; import time\n"
        "broker = EmbeddedBroker(); broker.start(); print(broker.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        assert answers(port)
        os.kill(owner.pid, signal.SIGKILL)
    until = monotonic() + 10
    while answers(port):
        assert monotonic() < until, "the broker outlived its owner"
        sleep(0.01)


def test_a_broker_with_a_folder_of_its_owner_leaves_nothing_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    with EmbeddedBroker(folder=tmp_path):
        assert (tmp_path / "rumqttd.toml").is_file()
        assert not list(elsewhere.glob("meshd-broker-*"))
