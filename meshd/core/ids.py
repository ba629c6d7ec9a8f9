"""Names for the things that core talks about, so that mypy tells a node from a model."""

from __future__ import annotations

from typing import Annotated, NewType

from msgspec import Meta

NodeId = NewType("NodeId", str)
"""SHA-256 fingerprint of a node's certificate, 64 lower-case hex digits."""

RequestId = NewType("RequestId", str)
"""Chosen by the client, unique for its life; it is the idempotency key on every node it reaches."""

_NO_LINE = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
NOT_IN_ONE_LINE = f"[{_NO_LINE}]"
ONE_LINE = Meta(pattern=rf"^[^{_NO_LINE}]*\Z")
"""Holds nothing that a terminal would obey, nor what makes it write backwards."""
SHORT = Meta(max_length=128)

HumanName = Annotated[str, ONE_LINE, SHORT]
"""What people call a device. Peers choose theirs."""

Word = Annotated[str, ONE_LINE, SHORT]
"""What a manifest calls something: a version, a variant, an output. A peer says it, as it says its name."""

ModelName = NewType("ModelName", str)
ArtifactHash = NewType("ArtifactHash", str)
"""SHA-256 of a model file, 64 lower-case hex digits."""
SaidModel = Annotated[ModelName, ONE_LINE, SHORT]
SaidArtifact = Annotated[ArtifactHash, ONE_LINE, SHORT]
SaidNode = Annotated[NodeId, ONE_LINE, SHORT]
"""All three as a peer says them."""
