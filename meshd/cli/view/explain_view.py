"""``meshd explain`` for a person: each decision as a table, and then what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.parts_view import part_lines, sent_as, stages, sum_lines
from meshd.cli.view.weights_view import COST, cost, weights_line
from meshd.cli.view.words import duration, energy, size
from meshd.core.answer import Hop
from meshd.explain_document import ExplainDocument, ExplainedCandidate, ExplainedDecision, ExplainedWait


def explain_view(story: ExplainDocument) -> RenderableType:
    """Return the request, its decisions in order, and the outcome."""
    return Group(_request(story), weights_line(story.settings, story.priority), *_told(story))


def _told(story: ExplainDocument) -> Iterator[RenderableType]:
    for number, (decision, after) in enumerate(pairwise([*story.decisions, None]), start=1):
        if decision is not None:
            yield _decision(number, decision, _came_of(story, decision, after))
    yield from _parts(story)
    yield _outcome(story)


def _parts(story: ExplainDocument) -> Iterator[RenderableType]:
    """Yield the stories of what ran beside each other for it; they may have begun as the whole decided for them."""
    for number, part in enumerate(story.parts, start=1):
        word = "part" if part.batch < story.batch else "race: run"
        yield Text(f"\n{word} {number} of {len(story.parts)}", style="bold")
        yield Padding(Group(_request(part), *_told(part)), (0, 0, 0, 2))


def _request(story: ExplainDocument) -> Text:
    at_least = f" · at least tier {story.min_tier}" if story.min_tier else ""
    wishes = f"{story.priority} · {story.privacy} · {duration(story.deadline_s)} to answer{at_least}"
    wishes += f" · {story.batch} items" if story.batch > 1 else ""
    wishes += f" · as {story.plan}" if story.plan else ""
    wishes += " · losing nothing" if story.lossless else ""
    wishes += f" · from stage {story.first_stage} on" if story.first_stage else ""
    return Text.assemble((story.request_id, "bold"), f"  {story.model} · {size(story.input_bytes)} in · {wishes}")


def _decision(number: int, decision: ExplainedDecision, came_of: Text) -> RenderableType:
    title = Text.assemble(
        f"\ndecision {number} by {decision.policy or 'nobody'}, {duration(decision.remaining_s)} left",
        (f" ({decision.note})" if decision.note else "", "dim"),
        (f", as weighed {duration(decision.weighed_ago_s)} before" if decision.weighed_ago_s else "", "dim"),
    )
    table = columns(
        *("", "plan", "time", "energy", COST, "forbidden because"),
        right=("time", "energy", COST),
        wrapping=("forbidden because",),
    )
    for index, candidate in enumerate(decision.candidates):
        table.add_row(*_candidate(candidate, chosen=index == decision.chosen))
    chosen = None if decision.chosen is None else decision.candidates[decision.chosen]
    parts = () if chosen is None else (*sum_lines(chosen), *part_lines(chosen))
    waited = (_wait(decision.wait),) if decision.wait else ()
    return Group(title, table, *parts, *waited, *((came_of,) if came_of else ()))


def _wait(wait: ExplainedWait) -> Text:
    if wait.waited_s is None:
        return Text(f"to wait for a cheaper moment, {duration(wait.at_most_s)} at most", style="bold")
    return Text(f"waited {duration(wait.waited_s)} for a cheaper moment, until {wait.ended_by}", style="bold")


def _came_of(story: ExplainDocument, decision: ExplainedDecision, after: ExplainedDecision | None) -> Text:
    """Tell why another decision followed; nothing after the last one, whose end is the request's own."""
    if after is None or decision.chosen is None:
        return Text()
    chosen = decision.candidates[decision.chosen]
    for hop in story.route:
        if (hop.node_id, hop.tier) == (chosen.node_id, chosen.tier):
            return Text(f"it ran, and asked for another look{_score(hop)}")
    for candidate in after.candidates:
        if (candidate.node_id, candidate.tier) == (chosen.node_id, chosen.tier) and candidate.reason:
            # "it failed this request before: " and why; only the why is news here.
            return Text(
                f"nothing came of it: {candidate.reason.partition(': ')[2] or candidate.reason}", style="yellow"
            )
    return Text()


def _candidate(candidate: ExplainedCandidate, *, chosen: bool) -> tuple[str | Text, ...]:
    reason = candidate.reason or candidate.mask or ""
    return (
        Text("→" if chosen else "", style="bold green"),
        Text(
            f"{candidate.plan}{sent_as(candidate.codec)}",
            style="bold" if chosen else "" if candidate.allowed else "dim",
        ),
        duration(candidate.predicted_s),
        energy(candidate.predicted_joules, estimated=True),
        cost(candidate.cost),
        Text(f"{candidate.mask}: {reason}" if candidate.mask else "", style="yellow"),
    )


def _outcome(story: ExplainDocument) -> Text:
    match story.outcome:
        case "alive":
            return Text("\nno outcome yet", style="yellow")
        case "failed":
            return Text.assemble((f"\nfailed ({story.code}): ", "bold red"), story.message or "")
        case _:
            return _answered(story)


def _answered(story: ExplainDocument) -> Text:
    style = "bold yellow" if story.outcome == "degraded" else "bold green"
    score = "" if story.score is None else f" with score {story.score:.3f}"
    spent = f", {energy(story.energy.joules, estimated=story.energy.estimated)}" if story.energy else ""
    answered = Text.assemble((f"\n{story.outcome}", style), f" by tier {story.tier}{score}", spent)
    return answered.append("".join(f"\n  {_hop(hop)}{sent_as(hop.codec)}" for hop in story.route)).append(
        _timings(story)
    )


def _hop(hop: Hop) -> str:
    part = f"{stages(*hop.stages)} of the " if hop.stages else ""
    return f"{part}{hop.tier} tier on {hop.node}: {hop.variant}, {duration(hop.compute_s)}{_score(hop)}"


def _score(hop: Hop) -> str:
    return "" if hop.score is None else f", score {hop.score:.3f}"


def _timings(story: ExplainDocument) -> str:
    timings = story.timings
    if timings is None:
        return ""
    return (
        f"\n  {duration(timings.total_s)} in all: {duration(timings.queue_s)} queue, "
        f"{duration(timings.compute_s)} compute, {duration(timings.transfer_s)} transfer, {duration(timings.rest_s)} "
        f"rest{_predicted(story)}"
    )


def _predicted(story: ExplainDocument) -> str:
    """Say what the last decision expected of itself; where there were several, it saw only the rest of the way."""
    if len(story.decisions) != 1 or (index := story.decisions[0].chosen) is None:
        return ""
    predicted_s = story.decisions[0].candidates[index].predicted_s
    return "" if predicted_s is None else f"\n  {duration(predicted_s)} predicted"
