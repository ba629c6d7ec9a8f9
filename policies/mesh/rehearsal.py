"""A load in the simulator, behind the calibration load that has taught the daemons what they know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.policy import Policy
from meshd.core.settings import Settings
from policies.evaluation.play import play
from policies.mesh.calibration import Calibration
from policies.mesh.question import Question
from policies.mesh.world import SETTLED_S, scenario_of
from policies.simulator import Charge, Ended


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What came of a load, each request known by its place there."""

    ends: tuple[Ended, ...]
    charges: tuple[Charge, ...]


def rehearsed(
    calibration: Calibration,
    lessons: Sequence[Question],
    load: Sequence[Question],
    make: Callable[[], Policy],
    *,
    settings: Settings | None = None,
    missed_anomaly_joules: float = 0.0,
) -> Rehearsal:
    """Return what comes of a load under a policy; what came of the lessons before it is left out."""
    begins_s = lessons[-1].at_s + SETTLED_S if lessons else 0.0
    later = [replace(question, at_s=begins_s + question.at_s) for question in load]
    world = scenario_of(calibration, [*lessons, *later], settings=settings, missed_anomaly_joules=missed_anomaly_joules)
    costs, n_lessons = play(world, make), len(lessons)
    return Rehearsal(
        ends=tuple(replace(one, request=one.request - n_lessons) for one in costs.ends if one.request >= n_lessons),
        charges=tuple(
            replace(one, request=one.request - n_lessons) for one in costs.charges if one.request >= n_lessons
        ),
    )
