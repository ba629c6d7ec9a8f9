"""Why a request gets no answer, in a code and in words."""

from __future__ import annotations

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.candidate import Mask, Observation
from meshd.core.life import Life

_MOST_PLACES = 8
"""Named in a refusal: a sentence is no list."""


def failure(error: type[errors.MeshError], message: str) -> Failure:
    """Return a failure with an error's code."""
    return Failure(code=error.code, message=message)


def too_late(life: Life) -> Failure:
    """Return what to tell when the time is up, with what went wrong before."""
    late = f"no answer within {life.request.deadline_s:g} s"
    if life.last_failure:
        late += f"; before that: {life.last_failure.message}"
    return failure(errors.DeadlineExceeded, late)


def no_way(life: Life, observation: Observation) -> Failure:
    """Return what to tell when every candidate is masked: what failed last, or the masks."""
    if life.last_failure:
        return life.last_failure
    model = life.request.model
    if not observation.candidates:
        return failure(errors.UnknownModel, f"no node of the mesh hosts a model {model!r}; `meshd models` lists all")
    if life.request.plan and all(c.reason and c.reason.mask is Mask.NOT_THE_PLAN for c in observation.candidates):
        return _unknown_plan(life.request.plan, observation)
    told = "; ".join(f"{c.label}: {c.reason.sentence}" for c in observation.candidates if c.reason)
    masks = {c.reason.mask for c in observation.candidates if c.reason}
    if Mask.PRIVACY in masks and masks <= {Mask.PRIVACY, Mask.TOO_WEAK}:
        return failure(errors.RefusedByPrivacy, f"{model}: {told}")
    if Mask.QUEUE_FULL in masks:
        return failure(errors.Overloaded, f"{model}: {told}")
    return failure(errors.NoCandidate, f"{model}: nothing may run it now. {told}")


def _unknown_plan(plan: str, observation: Observation) -> Failure:
    places = ", ".join(sorted({f"'{candidate.place}'" for candidate in observation.candidates})[:_MOST_PLACES])
    told = f"there is no way to run it as '{plan}' now; it could run as {places}; `meshd plan` lists all ways"
    return failure(errors.NoCandidate, told)
