"""Whatever stands in the place of a small file, whoever reads it gets what it holds or one of two errors, at once."""

import socket
from collections.abc import Callable
from os import mkfifo
from pathlib import Path

import pytest
from msgspec import Struct

from model_registry.small_file import read, read_json, read_toml


class Form(Struct):
    """Fields that are unknown to it are passed over."""

    names: tuple[str, ...] = ()


def test_what_is_in_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_text('names = ["a"]\r\n')
    assert read_toml(path, Form) == Form(names=("a",))
    path.write_text('{"names": ["a"], "other": 1}')
    assert read_json(path, Form) == Form(names=("a",))


def _listened_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    "lay",
    [lambda path: None, Path.mkdir, mkfifo, _listened_at, lambda path: path.symlink_to("/dev/zero")],
    ids=["nothing", "a folder", "a pipe", "a socket", "a device"],
)
def test_what_is_no_file_is_an_error_of_the_system_and_nobody_waits_for_it(
    tmp_path: Path, lay: Callable[[Path], object]
) -> None:
    lay(tmp_path / "small")
    with pytest.raises(OSError, match="small"):
        read(tmp_path / "small")


def test_a_file_larger_than_any_of_its_kind_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(bytes(11))
    assert len(read(path, most_bytes=11)) == 11
    with pytest.raises(OSError, match="more than 10 bytes"):
        read(path, most_bytes=10)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"names = 1", b"other = " + b"[" * 2_000, b"other = " + b"9" * 5_000, b"=", b"names = [1]"],
)
def test_what_is_no_such_toml_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "small"
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - of many words
        read_toml(path, Form)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"names": 1}', b'{"other": ' + b"[" * 2_000, b'{"other": ' + b'{"a":' * 2_000]
)
def test_what_is_no_such_json_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "small"
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - of many words
        read_json(path, Form)
