"""Files are looked for where systemd and the desktop put them."""

from pathlib import Path

from meshd.config import default_socket, default_state_dir, find_file


def test_a_file_named_in_the_environment_comes_first_even_when_it_is_missing() -> None:
    assert find_file({"MESHD_CONFIG": "/absent.toml"}) == Path("/absent.toml")


def test_the_users_file_is_found_where_xdg_says(tmp_path: Path) -> None:
    own = tmp_path / "meshd" / "meshd.toml"
    own.parent.mkdir()
    own.touch()
    assert find_file({"XDG_CONFIG_HOME": str(tmp_path)}) == own


def test_systemd_decides_where_a_service_keeps_its_state_and_socket() -> None:
    environment = {
        "STATE_DIRECTORY": "/var/lib/meshd:/var/lib/other",
        "RUNTIME_DIRECTORY": "/run/meshd",
        "XDG_STATE_HOME": "/home/me/state",
        "XDG_RUNTIME_DIR": "/run/user/1000",
    }
    assert default_state_dir(environment) == Path("/var/lib/meshd")
    assert default_socket(environment) == Path("/run/meshd/meshd.sock")


def test_a_user_gets_the_xdg_directories() -> None:
    assert default_state_dir({"XDG_STATE_HOME": "/x"}) == Path("/x/meshd")
    assert default_socket({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/meshd/meshd.sock")


def test_without_a_runtime_directory_the_socket_lies_beside_the_state() -> None:
    assert default_socket({"XDG_STATE_HOME": "/x"}) == Path("/x/meshd/meshd.sock")
