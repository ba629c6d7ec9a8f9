"""What requests take beyond their runs and their ways: copying, checking, and waiting for a share of the processor.

On a strong node that is next to nothing. A node that is granted a fifth of a core pays for every millisecond of a run
with four in which it does nothing else either, and those come when the run is over: no timing of a run or of a link has
them in it. So they are learned of whole requests, by the node that ran them or their end.
"""

from __future__ import annotations

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash

LEAST_S = 0.001
"""Less decides nothing: it is about the same for all ways, and most requests need not be looked at for it."""

_MOST_OF_ONE = 6.0
"""Times what was known that one request counts for: one that met a pause of its process must not drive all away."""

_Way = tuple[ArtifactHash, bool]


class Handling:
    """Seconds by artifact, and by whether several nodes ran it."""

    def __init__(self) -> None:
        self._known: dict[_Way, Estimate] = {}

    def seconds(self, artifact: ArtifactHash, *, is_split: bool) -> float | None:
        """Return what is expected; none where nothing is known."""
        known = self._known.get((artifact, is_split))
        return known.mean if known is not None else None

    def learn(self, artifact: ArtifactHash, seconds: float, now: float, *, is_split: bool) -> bool:
        """Take in what one request took beyond its parts; return whether that shows that it is another figure now."""
        known = self._known.get((artifact, is_split))
        if known is None and seconds < LEAST_S:
            return False
        known = (known or Estimate.prior(LEAST_S, now)).updated(seconds, now, at_most=_MOST_OF_ONE)
        self._known[artifact, is_split] = known
        return known.has_drifted

    def forget(self, now: float) -> None:
        """Let go of what was learned a while ago."""
        left = {way: known.forgotten(now, 0.0) for way, known in self._known.items()}
        self._known = {way: known for way, known in left.items() if known.mean >= LEAST_S}

    def forget_all(self) -> None:
        """Know nothing."""
        self._known.clear()

    def __bool__(self) -> bool:
        """Tell whether anything is known."""
        return bool(self._known)
