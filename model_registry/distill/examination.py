"""Examine what was made beside what it was made from, on examples that nothing was fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_registry.distill.examples import Examples
from model_registry.distill.goal import Goal
from model_registry.distill.latency import in_turns, opened
from model_registry.distill.lesson import Answers
from model_registry.distill.summary import Candidate, Summary
from model_registry.distill.teacher import Teacher, answers_of


def examined(
    teacher: Teacher,
    goals: Sequence[Goal],
    held_out: Examples,
    wanted: Answers,
    files: Mapping[str, bytes],
    *,
    made: str,
    learned_from: int,
) -> Summary:
    """Return how near each file, by precision, comes to what the teacher answers, and how long all of them take."""
    sessions = {precision: opened(content) for precision, content in files.items()}
    of_teacher, *times = in_turns([teacher.session, *sessions.values()], held_out.inputs)
    candidates = []
    for (precision, content), latency in zip(files.items(), times, strict=True):
        said = answers_of(sessions[precision], [goal.name for goal in goals], held_out.inputs)
        candidate = Candidate(
            precision=precision,
            size_bytes=len(content),
            agreement={goal.name: goal.agreement(said[goal.name], wanted[goal.name]) for goal in goals},
            accuracy=_accuracy(said, held_out, goals[0]),
        )
        candidates.append(candidate.timed(latency, of_teacher))
    return Summary(
        teacher=teacher.path.name,
        teacher_bytes=teacher.path.stat().st_size,
        made=made,
        learned_from=learned_from,
        examined_on=len(held_out),
        teacher_latency=of_teacher,
        teacher_accuracy=_accuracy(wanted, held_out, goals[0]),
        candidates=tuple(candidates),
    )


def _accuracy(said: Answers, examples: Examples, goal: Goal) -> dict[str, float]:
    return {} if examples.labels is None else goal.accuracy(said[goal.name], examples.labels)
