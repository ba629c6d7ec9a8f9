"""What can keep a teacher from being learned from, or a model from being pruned."""

from __future__ import annotations

from model_registry.errors import RegistryError


class DistillError(RegistryError):
    """A teacher, its data or the wish cannot be worked with; who gave the command changes it."""


class TargetTooSmall(DistillError):
    """No student fits; the message says how small the smallest is."""

    def __init__(self, target_bytes: int, smallest_bytes: int) -> None:
        """Name both sizes."""
        super().__init__(
            f"No student of this kind fits {target_bytes:,} bytes: the smallest has {smallest_bytes:,}.",
            hint=f"Give at least {smallest_bytes:,} bytes.",
        )
        self.smallest_bytes = smallest_bytes
