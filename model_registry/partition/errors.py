"""Why a model cannot be cut."""

from __future__ import annotations

from model_registry.errors import RegistryError


class NotCuttable(RegistryError):
    """No place of this model may be cut; it keeps running whole, and its owner need do nothing."""
