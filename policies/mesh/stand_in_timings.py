"""What stand-ins take on the daemons that host them, each asked for at its own node, one question after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from msgspec.structs import replace

from meshd.core.node import HostedTier, NodeProfile
from policies.errors import TimingsUnusable
from policies.mesh.calibration import RunFit, StandInFit, line
from policies.mesh.daemons import Daemons, Tell
from policies.mesh.question import Question
from policies.mesh.stand_in import StandIn
from policies.mesh.timings import Timed

_REPEATS = 3
_MOST_ITEMS = 4
"""Of the longer runs from which it is told what further items take."""
_LEAST_S = 1e-6
_REST_S = 0.2
"""Between two of these questions when they are asked of a simulator to teach it."""


async def fit_stand_ins(mesh: Daemons, stand_ins: Sequence[StandIn], tell: Tell) -> tuple[StandInFit, ...]:
    """Ask each node for each stand-in that it hosts, and return what all of them take.

    Raises:
        TimingsUnusable: one was not answered.
    """
    n_all, n_asked, fits = sum(len(list(_questions(one))) for one in stand_ins), 0, []
    for stand_in in stand_ins:
        timed = []
        for question in _questions(stand_in):
            timed.append(Timed(question=question, heard=await mesh.ask(question)))
            n_asked += 1
            tell(n_asked, n_all)
        fits.append(fitted(stand_in, timed, [await mesh.profile(name, stand_in.model) for name in stand_in.seconds]))
    return tuple(fits)


def fitted(stand_in: StandIn, timed: Sequence[Timed], profiles: Iterable[NodeProfile]) -> StandInFit:
    """Return what a stand-in takes by its timings: of each node the first one was cold.

    Raises:
        TimingsUnusable: one was not answered.
    """
    for one in timed:
        if one.heard.is_missed:
            told = f"The {one.question.node} gave no answer of its {stand_in.model}: {one.heard.code}."
            raise TimingsUnusable(told, hint="Try again when the machine has less to do; with --keep logs stay.")
    return StandInFit(
        model=stand_in.model,
        input_bytes=stand_in.input_bytes,
        result_bytes=stand_in.result_bytes,
        ratios=stand_in.ratios,
        runs={
            profile.device_class: _run(profile.hosted[0], [one for one in timed if _is_of(one, profile)])
            for profile in profiles
        },
        timed=tuple(timed),
    )


def lessons_of(fits: Iterable[StandInFit], *, from_s: float) -> Iterator[Question]:
    """Yield what was asked, one behind the end of the other, for a simulator to learn from as daemons have."""
    at_s = from_s
    for timed in (one for fit in fits for one in fit.timed):
        at_s += _REST_S
        yield replace(timed.question, at_s=at_s)
        at_s += timed.heard.seconds


def _questions(stand_in: StandIn) -> Iterator[Question]:
    several = min(_MOST_ITEMS, stand_in.max_items)
    for name in stand_in.seconds:
        for items in (1,) * (1 + _REPEATS) + (several,) * (_REPEATS if several > 1 else 0):
            yield Question(at_s=0.0, node=name, items=items, model=stand_in.model, place=name.value)


def _run(hosted: HostedTier, timed: Sequence[Timed]) -> RunFit:
    cold, *warm = timed
    run = line((one.question.items, one.heard.runs[0].compute_s) for one in warm)
    single_s = median(one.heard.seconds for one in warm if one.question.items == 1)
    compute_s = run.at(1.0)
    return RunFit(
        hosted=hosted,
        compute_s=compute_s,
        further_item=run.slope / compute_s if run.slope else 1.0,
        load_s=max(_LEAST_S, cold.heard.seconds - single_s),
    )


def _is_of(timed: Timed, profile: NodeProfile) -> bool:
    return timed.question.node is profile.device_class
