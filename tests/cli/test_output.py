"""What is read by another program is neither wrapped nor padded."""

import pytest

from meshd.cli.output import show
from meshd.cli.view.columns import columns


def test_a_line_into_a_pipe_is_as_long_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    table = columns("name", "why", wrapping=("why",))
    table.add_row("a", "word " * 40)
    table.add_row("b", "")
    show(table)
    assert capsys.readouterr().out.splitlines() == ["name  why", "a     " + ("word " * 40).rstrip(), "b"]
