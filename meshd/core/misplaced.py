"""Why nothing runs at the place that an asker named: what is wrong with the name, or what forbids it now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from meshd.core.candidate import Candidate, Mask
from meshd.core.node import HostedTier
from meshd.core.privacy import open_cuts
from meshd.core.rules import INPUT_STAYS

_PART = re.compile(r"(?P<node>.+?)(?: (?P<first>\d{1,9})-(?P<last>\d{1,9})| x(?P<items>\d{1,9}))?")
_MOST_PLACES = 8
"""Named in a refusal: a sentence is no list."""


class _Part(Struct, frozen=True, kw_only=True):
    """What a place says of one node."""

    node: str
    stages: tuple[int, int] | None = None
    items: int = 0


def why_misplaced(place: str, candidates: Sequence[Candidate], batch: int) -> str:
    """Return what is wrong with a place that none of these may run at."""
    parts = [_read(said) for said in place.split(", ")]
    there = [candidate for candidate in candidates if candidate.place == place]
    forbidden = "; ".join(f"{c.label}: {c.reason.sentence}" for c in there if c.reason)
    why = forbidden or next(
        _flaws(parts, candidates, batch), "the nodes do not host the same file, cut at these stages"
    )
    return f"there is no way to run it as '{place}' now: {why}"


def possible_places(candidates: Sequence[Candidate]) -> str:
    """Return some places to name instead, and how many more there are."""
    named = [f"'{place}'" for place in places(candidates)]
    more = f" and {len(named) - _MOST_PLACES} more" if len(named) > _MOST_PLACES else ""
    return ", ".join(named[:_MOST_PLACES]) + more


def places(candidates: Sequence[Candidate]) -> list[str]:
    """Return every place that may be named for a whole run or one over two nodes."""
    wholes = [candidate for candidate in candidates if not candidate.legs and not candidate.shares]
    return [*sorted({whole.place for whole in wholes if _may_run(whole)}), *dict.fromkeys(_splits(wholes))]


def _flaws(parts: Sequence[_Part], candidates: Sequence[Candidate], batch: int) -> Iterator[str]:
    """Yield what is wrong, the plainest first."""
    yield from _unknown(parts, candidates)
    if any(part.stages for part in parts):
        yield from _bad_stages(parts, candidates)
    elif (items := sum(part.items for part in parts)) and items != batch:
        yield f"its items add up to {items}, and the batch has {batch}"
    elif len(parts) > 1 and not all(part.items for part in parts):
        yield "each of several nodes needs its stages, as in 'band 0-2', or its items, as in 'band x3'"
    named = {part.node for part in parts}
    yield from (
        f"{c.label}: {c.reason.sentence}" for c in candidates if c.node in named and c.reason and not _may_run(c)
    )


def _unknown(parts: Sequence[_Part], candidates: Sequence[Candidate]) -> Iterator[str]:
    hosts = sorted({candidate.node for candidate in candidates})
    for part in parts:
        if part.node not in hosts:
            from difflib import get_close_matches  # noqa: PLC0415 - only who writes a name wrongly needs it.

            close = get_close_matches(part.node, hosts, n=1)
            yield f"'{part.node}' is no node that hosts it" + (f"; did you mean '{close[0]}'?" if close else "")


def _bad_stages(parts: Sequence[_Part], candidates: Sequence[Candidate]) -> Iterator[str]:
    """Yield what is wrong with ranges of stages: they go from the first to the last, the head here, without gaps."""
    own = [candidate.tier for candidate in candidates if candidate.here]
    here = next((candidate.node for candidate in candidates if candidate.here), None)
    n_stages = max((len(tier.stages) for tier in own), default=0)
    if here is None or n_stages < 2:
        yield "a head runs on the node that is asked, and what that hosts of it is not cut into stages"
        return
    spans = [part.stages for part in parts if part.stages]
    if len(spans) < len(parts):
        yield "each of its nodes needs stages, as in 'band 0-2'"
    for (_, ends), (begins, _) in pairwise(spans):
        if ends != begins:
            yield f"one part ends before stage {ends} and the next begins with stage {begins}"
    if any(first >= last for first, last in spans) or spans[0][0] != 0 or spans[-1][1] != n_stages:
        yield f"its stages are 0-{n_stages}, and the parts have to make up all of them"
    if parts[0].node != here:
        yield f"the first stages run where it is asked for, on '{here}'"
    for cut, _ in spans[1:]:
        if not any(cut in open_cuts(tier.stages) for tier in own):
            yield f"what crosses before stage {cut} may not leave a device"


def _splits(wholes: Sequence[Candidate]) -> Iterator[str]:
    """Yield every place for a head here and a tail on a peer that hosts the same file."""
    peers = [whole for whole in wholes if not whole.here and (_may_run(whole) or whole.reason == INPUT_STAYS)]
    for here in (whole for whole in wholes if whole.here):
        for there in (peer for peer in peers if _is_cut_alike(here.tier, peer.tier)):
            n_stages = len(here.tier.stages)
            for cut in open_cuts(here.tier.stages):
                yield f"{here.node} 0-{cut}, {there.node} {cut}-{n_stages}"


def _is_cut_alike(one: HostedTier, other: HostedTier) -> bool:
    return one.artifact == other.artifact and len(one.stages) == len(other.stages) > 1


def _may_run(candidate: Candidate) -> bool:
    """Tell whether nothing but the place that was named is against it."""
    return candidate.reason is None or candidate.reason.mask is Mask.NOT_THE_PLAN


def _read(said: str) -> _Part:
    found = _PART.fullmatch(said)
    if found is None:
        return _Part(node=said)
    stages = (int(found["first"]), int(found["last"])) if found["first"] else None
    return _Part(node=found["node"], stages=stages, items=int(found["items"] or 0))
