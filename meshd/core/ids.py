"""Names for the things that core talks about, so that mypy tells a node from a model."""

from __future__ import annotations

from typing import Annotated, NewType

from msgspec import Meta

NodeId = NewType("NodeId", str)
"""SHA-256 fingerprint of a node's certificate, 64 lower-case hex digits."""

RequestId = NewType("RequestId", str)
"""Chosen by the client, unique for its life; it is the idempotency key on every node it reaches."""

HumanName = Annotated[str, Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""What people call a device. Peers choose theirs, so it holds nothing that a terminal would obey."""

ModelName = NewType("ModelName", str)
ArtifactHash = NewType("ArtifactHash", str)
"""SHA-256 of a model file, 64 lower-case hex digits."""
