"""How much encoding shrinks what travels, and the best way over a link."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from msgspec import Struct

from meshd.core.estimate import Estimate
from meshd.core.ids import ArtifactHash
from meshd.core.link import Link
from meshd.core.node import HostedTier, Way
from meshd.core.plan import RAW

_MOST_KNOWN = 512
"""Models times stages times codecs; the one that was used longest ago is forgotten first."""

_NOTICED = 0.05
"""An answer's size that differs by less is the same: numbers in its header take a byte more or less."""

_MOST_MISFITS = 3
"""In a row: whoever sends more inputs that a codec cannot take sends others like them."""

_GIVEN_UP_S = 300.0
"""A codec that was given up is tried again after so long without a misfit: about when a slow node is."""

_Key = tuple[str, int, str]
K = TypeVar("K")
V = TypeVar("V")


class Passage(Struct, frozen=True, kw_only=True, gc=False):
    """One way of tensors over a link, with what it is expected to take."""

    codec: str
    n_bytes: float
    """As encoded, without the answer."""
    seconds: float
    """There and back, encoding and decoding included."""


def seconds_of(passage: Passage | None) -> float:
    """Return what a way takes; nothing where there is none to go."""
    return passage.seconds if passage is not None else 0.0


class _Misfits(NamedTuple):
    """Sendings in a row that had no form in a codec and went raw instead."""

    in_a_row: int
    at_s: float
    """When the last one did."""


class Encodings:
    """What was learned of encodings and of the size of answers."""

    def __init__(self) -> None:
        self.version = 0
        self._ratios: OrderedDict[_Key, Estimate] = OrderedDict()
        self._encoding_s: OrderedDict[_Key, Estimate] = OrderedDict()
        self._replies: OrderedDict[ArtifactHash, float] = OrderedDict()
        self._misfits: OrderedDict[_Key, _Misfits] = OrderedDict()

    def ratio(self, hosted: HostedTier, stage: int, way: Way) -> float:
        """Return the bytes on the link per byte of what crosses before a stage: learned, or as announced."""
        known = self._ratios.get(_key(hosted, stage, way.codec))
        return known.mean if known is not None else way.ratio

    def item_s(self, hosted: HostedTier, stage: int, way: Way) -> float:
        """Return what encoding and decoding one item takes: as announced, or more where encoding was seen to."""
        known = self._encoding_s.get(_key(hosted, stage, way.codec))
        return max(way.seconds, known.mean) if known is not None else way.seconds

    def reply_bytes(self, artifact: ArtifactHash) -> float:
        """Return the size of an answer for one item; 0 until one came."""
        return self._replies.get(artifact, 0.0)

    def learn(self, hosted: HostedTier, stage: int, codec: str, *, ratio: float, encoding_s: float, now: float) -> None:
        """Take in how far one sending was shrunk, and the seconds for one item that it took here."""
        key = _key(hosted, stage, codec)
        self._misfits.pop(key, None)
        _learn(self._ratios, key, ratio, now)
        _learn(self._encoding_s, key, encoding_s, now)
        self.version += 1

    def learn_misfit(self, hosted: HostedTier, stage: int, codec: str, now: float) -> None:
        """Take in that one sending had no form in a codec and went raw; where it is always so, raw is what to expect.

        One odd input says nothing of those that do have a form.
        """
        key = _key(hosted, stage, codec)
        before = self._misfits.get(key)
        misfits = self._misfits[key] = _Misfits(in_a_row=before.in_a_row + 1 if before else 1, at_s=now)
        _forget_oldest(self._misfits, key)
        if misfits.in_a_row > _MOST_MISFITS:
            _learn(self._ratios, key, 1.0, now)
            self.version += 1

    def forget(self, now: float) -> None:
        """Believe what was announced of codecs that misfitted a while ago: other inputs may come by now."""
        for key in [key for key, misfits in self._misfits.items() if now - misfits.at_s > _GIVEN_UP_S]:
            if self._misfits.pop(key).in_a_row > _MOST_MISFITS:
                self._ratios.pop(key, None)
                self.version += 1

    def learn_reply(self, artifact: ArtifactHash, item_bytes: float) -> None:
        """Take in the size of one answer; outputs of a model hardly differ in size, so one that does counts."""
        known = self._replies.get(artifact)
        if known is None or abs(item_bytes - known) > _NOTICED * known:
            self._replies[artifact] = item_bytes
            self.version += 1
        _forget_oldest(self._replies, artifact)

    def best(
        self,
        link: Link,
        hosted: HostedTier,
        stage: int,
        *,
        n_bytes: float,
        items: int,
        ways: tuple[Way, ...],
        codecs: frozenset[str],
        lossless: bool = False,
    ) -> Passage:
        """Return the way of least seconds for tensors of ``n_bytes`` that cross before a stage; raw is always one.

        ``lossless`` leaves out those that do not give every bit back.
        """
        reply_bytes = items * self._replies.get(hosted.artifact, 0.0)
        codec, best_bytes, best_s = RAW, n_bytes, link.transfer_s(n_bytes + reply_bytes)
        for way in ways:
            if way.codec in codecs and (way.exact or not lossless):
                encoded_bytes = n_bytes * self.ratio(hosted, stage, way)
                seconds = link.transfer_s(encoded_bytes + reply_bytes) + items * self.item_s(hosted, stage, way)
                if seconds < best_s:
                    codec, best_bytes, best_s = way.codec, encoded_bytes, seconds
        return Passage(codec=codec, n_bytes=best_bytes, seconds=best_s)

    def planned_s(self, link: Link, hosted: HostedTier, stage: int, codec: str, *, n_bytes: float, items: int) -> float:
        """Return the seconds of what crosses before a stage in a codec that was planned elsewhere; raw if unknown."""
        reply_bytes = items * self.reply_bytes(hosted.artifact)
        way = next((way for way in hosted.stages[stage - 1].ways if way.codec == codec), None)
        if way is None:
            return link.transfer_s(n_bytes + reply_bytes)
        encoded_bytes = n_bytes * self.ratio(hosted, stage, way)
        return link.transfer_s(encoded_bytes + reply_bytes) + items * self.item_s(hosted, stage, way)


def is_lossy(codec: str, ways: Iterable[Way]) -> bool:
    """Tell whether a codec may lose some of what travels in it, as far as a manifest or a peer has told."""
    return codec != RAW and not any(way.codec == codec and way.exact for way in ways)


def _key(hosted: HostedTier, stage: int, codec: str) -> _Key:
    """Tell encodings apart: the input is the same for every tier of a model, a cut belongs to its artifact."""
    return (hosted.artifact if stage else hosted.model, stage, codec)


def _learn(known: OrderedDict[_Key, Estimate], key: _Key, sample: float, now: float) -> None:
    before = known.get(key) or Estimate.prior(sample, now)
    known[key] = before.updated(sample, now)
    _forget_oldest(known, key)


def _forget_oldest(known: OrderedDict[K, V], used: K) -> None:
    known.move_to_end(used)
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)
