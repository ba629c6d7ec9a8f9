"""The wait of a request for credit of the daemon: it is part of the time that the caller has."""

from __future__ import annotations

import time

from meshd.client.conversation import hurried
from meshd.net.session import Session
from meshd.wire.messages import Infer


async def afforded(session: Session, infer: Infer, payload_bytes: int) -> Infer:
    """Wait until the daemon gives credit for a request, while its deadline runs."""
    if session.affords(payload_bytes):
        return infer
    began_s = time.monotonic()
    await session.afforded(payload_bytes)
    return hurried(infer, infer.deadline_s - (time.monotonic() - began_s))
