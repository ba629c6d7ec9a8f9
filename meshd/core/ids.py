"""Names for the things that core talks about, so that mypy tells a node from a model."""

from __future__ import annotations

from typing import Annotated, NewType

from msgspec import Meta

NodeId = NewType("NodeId", str)
"""SHA-256 fingerprint of a node's certificate, 64 lower-case hex digits."""

RequestId = NewType("RequestId", str)
"""Chosen by the client, unique for its life; it is the idempotency key on every node it reaches."""

_ONE_LINE = Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")
HumanName = Annotated[str, _ONE_LINE, Meta(max_length=128)]
"""What people call a device. Peers choose theirs, so it holds nothing that a terminal would obey."""

Word = Annotated[str, _ONE_LINE]
"""What a manifest calls something: a version, a variant, an output. A peer says it, as it says its name."""

ModelName = NewType("ModelName", str)
ArtifactHash = NewType("ArtifactHash", str)
"""SHA-256 of a model file, 64 lower-case hex digits."""
SaidModel = Annotated[ModelName, _ONE_LINE]
SaidArtifact = Annotated[ArtifactHash, _ONE_LINE]
"""Both as a peer says them."""
