"""What can go wrong with recordings and with the figures made from them."""

from __future__ import annotations


class EcgError(Exception):
    """Base of every error this model family raises on purpose."""


class RecordingError(EcgError):
    """A recording cannot be read, or is not what it claims; the message says which and why."""


class CalibrationError(EcgError):
    """No threshold keeps the promised bound on the patients at hand."""


class ArtifactError(EcgError):
    """An artifact is missing or is not the one its manifest was made for."""
