"""Where files live unless the owner says otherwise: systemd's directories first, then the XDG ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM_FILE = Path("/etc/meshd/meshd.toml")
SYSTEM_SOCKET = Path("/run/meshd/meshd.sock")


def find_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the configuration file to read: ``$MESHD_CONFIG``, the user's, the system's; none if there is none.

    ``$MESHD_CONFIG`` is returned even when the file is missing: a name that somebody set on purpose must not be
    passed over in silence.
    """
    if named := environment.get("MESHD_CONFIG"):
        return Path(named)
    users = _home(environment, "XDG_CONFIG_HOME", ".config") / "meshd" / "meshd.toml"
    return next((path for path in (users, SYSTEM_FILE) if path.is_file()), None)


def publisher_key(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the private key that this user signs models with: a person's, not a node's."""
    return _home(environment, "XDG_CONFIG_HOME", ".config") / "meshd" / "publisher.pem"


def default_state_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the identity, the trusted fingerprints and the measured profiles are kept."""
    if given := environment.get("STATE_DIRECTORY"):  # systemd lists several as a:b; the first is ours.
        return Path(given.split(":")[0])
    return _home(environment, "XDG_STATE_HOME", ".local/state") / "meshd"


def default_socket(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the unix socket that a daemon opens and a client on the same device looks for."""
    if given := environment.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0]) / SYSTEM_SOCKET.name
    if users := environment.get("XDG_RUNTIME_DIR"):
        return Path(users) / "meshd" / SYSTEM_SOCKET.name
    return default_state_dir(environment) / SYSTEM_SOCKET.name


def _home(environment: Mapping[str, str], variable: str, below_home: str) -> Path:
    given = environment.get(variable)
    return Path(given) if given else Path.home() / below_home


def path_in(folder: Path, text: str) -> Path:
    """Return the path that a text names, a relative one below ``folder``; ValueError where no file can be called so."""
    if "\0" in text:
        raise ValueError(text)
    try:
        return folder / Path(text).expanduser()
    except RuntimeError as error:  # Of a user whom this machine does not know.
        raise ValueError(text) from error
