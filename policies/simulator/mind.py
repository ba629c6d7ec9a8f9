"""The core's scheduler, for a clock that need not tick."""

from __future__ import annotations

from meshd.core.scheduler import Scheduler


class Mind(Scheduler):
    """A scheduler that may be spared rounds which would find nothing.

    A round looks for silence and sends a heartbeat. While everybody in session is heard of, and the world knows by
    itself what the heartbeat would have said, nothing comes of making one.
    """

    def skip_rounds(self, n_rounds: int, *, next_s: float) -> None:
        """Make the next round at ``next_s``, as if ``n_rounds`` before it had been made in time and found nothing."""
        membership = self._view.membership
        self._beat_s = self._round_s = next_s
        membership._check_s = next_s  # noqa: SLF001 - the core itself has no use for rounds that are not made
        membership._awareness = max(0, membership._awareness - n_rounds)  # noqa: SLF001
