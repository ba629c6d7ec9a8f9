"""Why a request gets no answer, in a code and in words."""

from __future__ import annotations

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.candidate import Mask, Observation
from meshd.core.life import Life
from meshd.core.misplaced import possible_places, why_misplaced
from meshd.core.request import Request


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
    told = "; ".join(f"{c.label}: {c.reason.sentence}" for c in observation.candidates if c.reason)
    masks = {c.reason.mask for c in observation.candidates if c.reason}
    if Mask.PRIVACY in masks and masks <= {Mask.PRIVACY, Mask.TOO_WEAK}:
        return failure(errors.RefusedByPrivacy, f"{model}: {told}")
    plan = "" if life.request.delegated else life.request.plan
    if any(c.reason and c.reason.mask is Mask.QUEUE_FULL and plan in {"", c.place} for c in observation.candidates):
        return failure(errors.Overloaded, f"{model}: {told}")
    if plan:
        return _misplaced(life.request, observation)
    return failure(errors.NoCandidate, f"{model}: nothing may run it now. {told}")


def _misplaced(request: Request, observation: Observation) -> Failure:
    why = why_misplaced(request.plan, observation.candidates, request.batch)
    places = possible_places(observation.candidates)
    could = f"it could run as {places}; " if places else ""
    return failure(errors.NoCandidate, f"{why}; {could}`meshd plan` lists them all")
