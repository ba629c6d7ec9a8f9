"""From the values that TOML knows to the types of a section, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from meshd.config.places import path_in
from meshd.config.policy_name import PolicyName

Decoder = Callable[[type, Any], Any]


def decoder(folder: Path) -> Decoder:
    """Return msgspec's hook for our own types; a relative path counts from the folder of the file it stands in."""

    def decode(form: type, value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
        if form is PolicyName:
            return PolicyName.parse(value, folder)
        assert form is Path, "every other type is one that msgspec knows"
        return path_in(folder, value)

    return decode


def plain(value: Any) -> Any:
    """Return a setting as TOML and JSON can write it."""
    match value:
        case Path() | PolicyName():
            return str(value)
        case tuple():
            return [plain(element) for element in value]
        case _:
            return msgspec.to_builtins(value)
