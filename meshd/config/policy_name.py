"""What ``scheduler.policy`` names: a policy by its word, or one in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from meshd.config.places import path_in

WORDS = ("shipped", "least-expected-cost")
_ENDING = ".onnx"


class PolicyName(str):
    """One of two words, or the absolute path of a network's file."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, folder: Path) -> Self:
        """Return what a text names; a relative path counts from ``folder``. ValueError where it names nothing."""
        if text in WORDS:
            return cls(text)
        if not text.endswith(_ENDING):
            raise ValueError(text)
        return cls(path_in(folder, text))
