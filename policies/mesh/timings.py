"""The calibration load: each node asked for each tier by itself, at several lengths, and what all of that took."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.node import DeviceClass, NodeProfile
from meshd.core.request import Privacy
from policies.errors import TimingsUnusable
from policies.mesh.daemons import Daemons, Tell
from policies.mesh.question import HOUSEHOLD, Heard, Question
from policies.mesh.windows import Judged

LENGTHS = (1, 2, 4, 8, 16)
_SINGLE, _SHARE_OF_SINGLES = 1, 2
"""One window alone is what is asked most: it is timed so many times as often as other lengths."""
_BURST = 8
_LESSON_S = 0.2
"""Between two questions that are asked of a simulator to teach it."""
_APART_S = (0.005, 0.08)
"""Between two questions: a device that has just worked is quicker than one whose caches have gone cold."""


class Timed(Struct, frozen=True, kw_only=True):
    """One question and its end."""

    question: Question
    heard: Heard


class Timings(Struct, frozen=True, kw_only=True):
    """All that a calibration is fitted to."""

    profiles: Mapping[DeviceClass, NodeProfile]
    """What each node announces behind the load."""
    ratios: Mapping[str, float]
    """Bytes on a link per byte of input, by codec."""
    input_bytes: int
    """Of one window."""
    alarm_at: float | None
    judged: Judged
    cold: tuple[Timed, ...]
    """The first request of each node, which loaded its model."""
    alone: tuple[Timed, ...]
    bursts: tuple[tuple[Timed, ...], ...]
    """Each asked at once."""

    @property
    def lessons(self) -> tuple[Question, ...]:
        """Return the calibration load again, one question after the other: what has taught the daemons what they know.

        What they learned of escalations is part of it: all windows of a batch that is timed are calm.
        """
        asked = [_judging(name, window) for name in HOUSEHOLD for window in range(len(self.judged.is_anomaly))]
        timed = [timed.question for timed in (*self.alone, *chain.from_iterable(self.bursts))]
        return tuple(replace(question, at_s=_LESSON_S * number) for number, question in enumerate((*asked, *timed)))


async def judge(daemons: Daemons, is_anomaly: Sequence[bool], tell: Tell) -> tuple[Judged, tuple[Timed, ...]]:
    """Ask every tier about every window by itself; return what they say, and the first request of each.

    Raises:
        TimingsUnusable: one was not answered.
    """
    scores: dict[DeviceClass, tuple[float, ...]] = {}
    cold = []
    n_windows, n_asked = len(is_anomaly), 0
    for name in HOUSEHOLD:
        found = []
        for window in range(n_windows):
            question = _judging(name, window)
            heard = await daemons.ask(question)
            found.append(_score(question, heard))
            if window == 0:
                cold.append(Timed(question=question, heard=heard))
            n_asked += 1
            tell(n_asked, n_windows * len(HOUSEHOLD))
        scores[name] = tuple(found)
    return Judged(scores=scores, is_anomaly=tuple(is_anomaly)), tuple(cold)


async def time_alone(daemons: Daemons, calm: Sequence[int], *, repeats: int, seed: int, tell: Tell) -> list[Timed]:
    """Ask each node to have each run windows, one question after the other, in an order of chance."""
    chance = Random(seed)  # noqa: S311 - the order of questions is no secret
    load = list(_pairs(repeats))
    chance.shuffle(load)
    timed = []
    for number, (asked, place, items) in enumerate(load):
        await asyncio.sleep(chance.uniform(*_APART_S))
        question = Question(at_s=0.0, node=asked, window=chance.choice(rows_of(calm, items)), items=items, place=place)
        timed.append(Timed(question=question, heard=await daemons.ask(question, number)))
        tell(number + 1, len(load))
    return timed


async def time_bursts(daemons: Daemons, calm: Sequence[int], *, repeats: int, seed: int) -> list[tuple[Timed, ...]]:
    """Ask each node several questions at once, which it is to run itself."""
    chance = Random(seed)  # noqa: S311 - as above
    bursts = []
    for name in [one for one in HOUSEHOLD for _ in range(repeats)]:
        load = [Question(at_s=0.0, node=name, window=chance.choice(calm), place=name.value) for _ in range(_BURST)]
        await asyncio.sleep(chance.uniform(*_APART_S))
        ended = await daemons.play(load)
        bursts.append(tuple(Timed(question=load[heard.number], heard=heard) for heard in ended))
    return bursts


def bands(profiles: Mapping[DeviceClass, NodeProfile]) -> dict[DeviceClass, tuple[float, float]]:
    """Return which scores each tier escalates: those in [low, high)."""
    found = {}
    for name, profile in profiles.items():
        tier = profile.hosted[0]
        if tier.score_output is not None:
            found[name] = (tier.escalate_low, float("inf") if tier.escalate_high is None else tier.escalate_high)
    return found


def _judging(name: DeviceClass, window: int) -> Question:
    return Question(at_s=0.0, node=name, window=window, place=name.value, privacy=Privacy.DEVICE)


def _pairs(repeats: int) -> Iterator[tuple[DeviceClass, str, int]]:
    for asked in HOUSEHOLD:
        for place in HOUSEHOLD:
            for items in LENGTHS:
                for _ in range(repeats * (_SHARE_OF_SINGLES if items == _SINGLE else 1)):
                    yield asked, place.value, items


def rows_of(calm: Sequence[int], items: int) -> list[int]:
    """Return where rows of so many windows begin that nobody escalates; any row where there is none of that length."""
    known, end = set(calm), calm[-1] + 1
    rows = [window for window in calm if known.issuperset(range(window, window + items))]
    return rows or list(range(max(1, end - items + 1)))


def _score(question: Question, heard: Heard) -> float:
    score = heard.runs[0].score if heard.runs else None
    if score is None:
        raise TimingsUnusable(
            f"The {question.node} gave no score of window {question.window}: {heard.code or 'its answer has none'}.",
            hint="Try again when the machine has less to do; with --keep the daemons' logs stay.",
        )
    return score
