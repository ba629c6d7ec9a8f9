"""What the package itself offers."""

import subprocess
import sys

import pytest

import meshd
from meshd.client import AsyncClient, Client, Result


def test_the_clients_are_at_hand() -> None:
    assert (meshd.Client, meshd.AsyncClient, meshd.Result) == (Client, AsyncClient, Result)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = meshd.Clint


def test_a_daemon_loads_no_client() -> None:
    code = "import sys, meshd.daemon.daemon; print('meshd.client' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
