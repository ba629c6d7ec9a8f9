"""What an owner may set: one TOML file, every key with a default, every mistake found at once."""

from meshd.config.config import Config
from meshd.config.loaded import Loaded, Setting, load, parse
from meshd.config.peer_address import PeerAddress
from meshd.config.places import default_socket, default_state_dir, find_file

__all__ = [
    "Config",
    "Loaded",
    "PeerAddress",
    "Setting",
    "default_socket",
    "default_state_dir",
    "find_file",
    "load",
    "parse",
]
