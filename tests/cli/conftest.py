"""Run a command line inside this process, against a fake daemon or none."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from meshd.cli import main
from tests.cli.fake_daemon import FakeDaemon


class Ended(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def meshd(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run `meshd` with words; the user's own configuration and daemon stay out of it."""
    for name in ("MESHD_CONFIG", "MESHD_ENDPOINT", "MESHD_TOKEN", "XDG_RUNTIME_DIR", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str | Path) -> Ended:
        code: object = 0
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return Ended(int(code), captured.out, captured.err)

    return run


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, meshd: Command) -> Iterator[FakeDaemon]:
    """Serve a fake daemon at the endpoint that commands look at."""
    fake = FakeDaemon()
    with tempfile.TemporaryDirectory(prefix="meshd-") as folder:  # pytest's own path is too long for a socket.
        path = Path(folder) / "s"
        monkeypatch.setenv("MESHD_ENDPOINT", str(path))
        with fake.serving(path):
            yield fake
