"""The document behind ``meshd explain``: the story of a request, with what was predicted beside what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from meshd.core.answer import Answer, Hop, Outcome
from meshd.core.candidate import Candidate
from meshd.core.explanation import Choice, Explanation, Wait
from meshd.core.plan import Leg
from meshd.core.settings import Settings
from meshd.daemon.weighing import weighed
from meshd.explain_document import (
    ExplainDocument,
    ExplainedCandidate,
    ExplainedDecision,
    ExplainedLeg,
    ExplainedShare,
    ExplainedWait,
)

Route = tuple[Hop, ...]


def story_document(story: Explanation, settings: Settings) -> ExplainDocument:
    """Return a story as clients read it, its children's below it."""
    request, outcome = story.request, story.outcome
    answer = outcome if isinstance(outcome, Answer) else None
    failure = None if isinstance(outcome, Answer) else outcome
    route = answer.route if answer else ()
    rest = request.partial
    return ExplainDocument(
        request_id=request.request_id,
        model=request.model,
        deadline_s=request.deadline_s,
        priority=request.priority,
        privacy=request.privacy,
        min_tier=request.min_tier,
        input_bytes=request.input_bytes,
        batch=request.batch,
        plan=request.plan,
        lossless=request.lossless,
        first_stage=rest.legs[0].first if rest else 0,
        outcome=_word_for(outcome),
        code=failure.code if failure else None,
        message=failure.message if failure else None,
        decisions=tuple(_decision(choice, route) for choice in story.choices),
        tier=answer.tier if answer else None,
        score=answer.score if answer else None,
        escalations=answer.escalations if answer else 0,
        route=route,
        timings=answer.timings if answer else None,
        energy=answer.energy if answer else None,
        settings=settings,
        parts=tuple(story_document(child, settings) for child in story.children),
    )


def _word_for(outcome: Outcome | None) -> Literal["alive", "answered", "degraded", "failed"]:
    if outcome is None:
        return "alive"
    if isinstance(outcome, Answer):
        return "degraded" if outcome.degraded else "answered"
    return "failed"


def _decision(choice: Choice, route: Route) -> ExplainedDecision:
    candidates = choice.observation.candidates
    return ExplainedDecision(
        decision=choice.observation.decision,
        remaining_s=choice.observation.remaining_s,
        candidates=tuple(_candidate(c, route if at == choice.index else ()) for at, c in enumerate(candidates)),
        chosen=choice.index,
        policy=choice.policy,
        note=choice.note,
        wait=_wait(choice.wait) if choice.wait else None,
        weighed_ago_s=choice.observation.weighed_ago_s,
    )


def _wait(wait: Wait) -> ExplainedWait:
    return ExplainedWait(at_most_s=wait.at_most_s, waited_s=wait.waited_s, ended_by=wait.ended_by)


def _candidate(candidate: Candidate, route: Route) -> ExplainedCandidate:
    """Tell of a way to run it; ``route`` is what was run in the end where this one was chosen."""
    prediction = candidate.price
    return ExplainedCandidate(
        **weighed(candidate),
        plan=candidate.label,
        node_id=candidate.node_id,
        allowed=candidate.allowed,
        predicted_s=prediction.total_s if prediction else None,
        predicted_joules=prediction.joules if prediction else None,
        rate_assumed=candidate.is_assumed,
        codec=candidate.codec,
        actual_codec=_codec([] if candidate.here else [hop for hop in route if _is_whole(hop, candidate)]),
        legs=tuple(_leg(leg, route) for leg in candidate.legs),
        shares=tuple(
            ExplainedShare(
                node_id=share.node_id,
                node=share.node,
                items=share.items,
                codec=share.codec,
                predicted_s=share.seconds,
                actual_compute_s=_compute_s(hop for hop in route if hop.node_id == share.node_id),
            )
            for share in candidate.shares
        ),
    )


def _leg(leg: Leg, route: Route) -> ExplainedLeg:
    ran = [hop for hop in route if hop.node_id == leg.node_id and hop.stages == (leg.first, leg.last)]
    return ExplainedLeg(
        node_id=leg.node_id,
        node=leg.node,
        first=leg.first,
        last=leg.last,
        codec=leg.codec,
        actual_codec=_codec(ran),
        predicted_compute_s=leg.compute_s,
        predicted_transfer_s=leg.transfer_s,
        actual_compute_s=_compute_s(ran),
        actual_transfer_s=sum(hop.transfer_s for hop in ran) if ran else None,
    )


def _is_whole(hop: Hop, candidate: Candidate) -> bool:
    """Tell whether a hop is the run of a candidate that one node runs whole."""
    return hop.stages is None and (hop.node_id, hop.tier) == (candidate.node_id, candidate.tier.tier)


def _codec(ran: Sequence[Hop]) -> str | None:
    """Return how what it ran on came to a node."""
    return ran[0].codec if ran else None


def _compute_s(hops: Iterable[Hop]) -> float | None:
    """Return the seconds that runs took together; none where there were none."""
    seconds = [hop.compute_s for hop in hops]
    return sum(seconds) if seconds else None
