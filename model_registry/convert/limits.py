"""What a model may take while it is imported."""

from __future__ import annotations

from model_registry.admission.admitted import Limits

LIMITS = Limits(memory_bytes=4 << 30, wall_s=120, size_bytes=2**31 - 1)
"""Enough for anything that an edge device could host. A protocol buffer, and so an ONNX file, can be no longer."""
