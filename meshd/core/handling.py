"""What ways take as a whole: requests take more than their runs and their ways over links, or less than is believed.

On a strong node it is next to nothing more: copying, checking. A node that is granted a fifth of a core pays for every
millisecond of a run with four in which it does nothing else either, and those come when they come: in the run, while an
answer waits to be read, or when all is over. Each part by itself is then now quick and now slow, and their sum is of
little use, while the whole takes about as long each time. So it is learned of whole requests, by the node that ran them
or their end, by where they were cut, as what has little work in its head has little to pay for, and by their size.

Ways that nobody has taken lately are known by their parts, and by how far others of their kind are from theirs.
"""

from __future__ import annotations

from math import log2

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash

LEAST_S = 0.001
"""Less decides nothing: it is about the same for all ways, and most requests need not be looked at for it."""

_MOST_OF_ONE = 2.0
"""Times what was known that one request counts for: one that met a pause of its process must not drive all away."""

_FAR = 2.0
"""Times by which the sum of its parts has to become longer or shorter before what a way took says nothing any more:
what is believed of parts is of single runs, and of exchanges that other ways have too, and goes up and down by half
while the way takes what it took."""

_LEAST_SHARE = 0.5
"""Of its parts, that a way is expected to take at least by what others of its kind took."""

_WEIGHT = 0.2
"""Share of a new sum of parts, as of a new sample."""

_REMEMBERED_S = 400.0
"""Hardly a twentieth of what was learned so long ago is left."""

Cuts = tuple[int, ...]
"""The stages before which it comes to another node; none where one node runs it whole."""

_WayKey = tuple[ArtifactHash, Cuts, int]
_KindKey = tuple[ArtifactHash, bool]


class Taken(Struct, frozen=True, kw_only=True, gc=False):
    """One request that went a way, and what it took."""

    artifact: ArtifactHash
    cuts: Cuts
    n_bytes: float
    """Of its input."""
    parts_s: float
    """That its runs and its ways over links were believed to take."""
    beyond_s: float
    """What no part names, of its time on each node."""
    took_s: float | None
    """All of it, but waiting for a turn; none where others were under way: what it waited for them is in each part."""

    @property
    def size(self) -> int:
        """Return the class of its input."""
        return _size(self.n_bytes)

    @property
    def misfit_s(self) -> float:
        """Return by how much it was more than its parts, or less."""
        return self.beyond_s if self.took_s is None else self.took_s - self.parts_s


class _Way(Struct, frozen=True, kw_only=True, gc=False):
    """What a way took, and what its parts were believed to take meanwhile."""

    took: Estimate
    parts_s: float

    def holds(self, parts_s: float) -> bool:
        """Tell whether it still says something, where its parts are believed to take so long by now."""
        return parts_s <= _FAR * self.parts_s <= _FAR * _FAR * parts_s

    def learned(self, took_s: float, parts_s: float, now: float) -> _Way:
        """Return what is known after one request more."""
        took = self.took.updated(took_s, now, at_most=_MOST_OF_ONE)
        return _Way(took=took, parts_s=self.parts_s + _WEIGHT * (parts_s - self.parts_s))


class Handling:
    """What is known of the ways that end on one node."""

    def __init__(self) -> None:
        self._ways: dict[_WayKey, _Way] = {}
        self._kinds: dict[_KindKey, Estimate] = {}
        """Seconds beyond the parts, of all ways of a model that are split, and of it whole."""
        self.is_known = False
        """Whether anything is: a decision asks a thousand nodes."""

    def beyond_s(self, artifact: ArtifactHash, cuts: Cuts, n_bytes: float, parts_s: float) -> float | None:
        """Return what a way takes beyond its parts, which may be negative; none where nothing is known of its kind.

        ``n_bytes`` has the input of the request.
        """
        kind = self._kinds.get((artifact, bool(cuts)))
        if kind is None:
            return None
        way = self._ways.get((artifact, cuts, _size(n_bytes)))
        if way is not None and way.holds(parts_s):
            return way.took.mean - parts_s
        return _beyond_s(kind, parts_s)

    def of_others_s(self, artifact: ArtifactHash, parts_s: float) -> float:
        """Return what whole runs here tell of ways that end on a node where none has ended; 0 where none was here.

        What one took altogether says nothing of another node: only what it took beyond its parts does.
        """
        kind = self._kinds.get((artifact, False))
        return 0.0 if kind is None else _beyond_s(kind, parts_s)

    def learn(self, taken: Taken, now: float) -> bool:
        """Take in one request; return whether its way is another by now.

        Nothing is remembered until one took at least a millisecond more or less than its parts.
        """
        kind_key, parts_s = (taken.artifact, bool(taken.cuts)), taken.parts_s
        kind = self._kinds.get(kind_key)
        if kind is None and abs(taken.misfit_s) < LEAST_S:
            return False
        kind = kind or Estimate.prior(0.0, now)
        self._kinds[kind_key] = kind.updated(min(taken.misfit_s, parts_s), now)
        self.is_known = True
        return taken.took_s is not None and self._learn_way(taken, taken.took_s, kind, now)

    def _learn_way(self, taken: Taken, took_s: float, kind: Estimate, now: float) -> bool:
        way_key, parts_s = (taken.artifact, taken.cuts, taken.size), taken.parts_s
        way = self._ways.get(way_key)
        if way is None or not way.holds(parts_s):
            believed_s = max(parts_s + kind.mean, _LEAST_SHARE * parts_s)
            way = _Way(took=Estimate.prior(believed_s, now), parts_s=parts_s)
        way = self._ways[way_key] = way.learned(took_s, parts_s, now)
        return way.took.has_drifted

    def forget(self, now: float) -> None:
        """Let go of what was learned a while ago."""
        ways = {key: way for key, way in self._ways.items() if now - way.took.at_s < _REMEMBERED_S}
        self._ways = {key: replace(way, took=way.took.forgotten(now, way.parts_s)) for key, way in ways.items()}
        kinds = {key: known for key, known in self._kinds.items() if now - known.at_s < _REMEMBERED_S}
        self._kinds = {key: known.forgotten(now, 0.0) for key, known in kinds.items()}
        self.is_known = bool(kinds)

    def forget_all(self) -> None:
        """Know nothing."""
        self._ways.clear()
        self._kinds.clear()
        self.is_known = False


def _beyond_s(kind: Estimate, parts_s: float) -> float:
    """Return what a way is expected to take beyond its parts, by others of a kind."""
    return max(kind.mean, (_LEAST_SHARE - 1.0) * parts_s)


def _size(n_bytes: float) -> int:
    """Return the class of inputs of about as many bytes: each is 1.4 times the one below."""
    return round(2.0 * log2(max(n_bytes, 1.0)))
