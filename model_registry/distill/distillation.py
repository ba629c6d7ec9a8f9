"""The whole way: find the width that fits, learn, export, quantise, examine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model_registry.distill import artifact
from model_registry.distill.examination import examined
from model_registry.distill.examples import Examples, Split
from model_registry.distill.fitting import widest
from model_registry.distill.goal import Goal
from model_registry.distill.lesson import Answers, Lesson, Progress, Recipe
from model_registry.distill.student import NARROWEST, WIDEST, Student
from model_registry.distill.summary import Summary
from model_registry.distill.teacher import Teacher
from model_registry.distill.trunk import Form, View

SLACK_BYTES = 64
"""Trained weights make a file a little larger or smaller than those that the width is found with: here and there two
zero points are equal, and are kept once.
"""

Told = Callable[[str, Progress | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """The files that were made, and what is to be said of them."""

    files: Mapping[str, bytes]
    """By precision."""
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How large the student may be, and how it is to learn; `form` where the input's rank misleads."""

    target_bytes: int
    recipe: Recipe
    form: Form | None = None


def distil(teacher: Teacher, examples: Examples, wish: Wish, told: Told) -> Distilled:
    """Return a student whose int8 file has at most `wish.target_bytes`.

    Raises: TargetTooSmall when there is none; DistillError when the teacher cannot answer the examples.
    """
    torch.manual_seed(wish.recipe.seed)
    told("asking the teacher", None)
    answers = teacher.answers(examples.inputs)
    lecture = _Lecture(teacher, examples, answers, Split.of(len(examples), wish.recipe.seed), wish)
    told("finding the width", None)
    width = lecture.width()
    while True:
        student = lecture.student(width)
        for progress in lecture.taught(student):
            told(f"training, width {width}", progress)
        fp32, int8 = lecture.files(student)
        if len(int8) <= wish.target_bytes:
            break
        width -= 1  # The slack was too little: the file decides, not the estimate.
    told("examining", None)
    return Distilled(files={"fp32": fp32, "int8": int8}, summary=lecture.examined(width, fp32, int8))


class _Lecture:
    def __init__(self, teacher: Teacher, examples: Examples, answers: Answers, split: Split, wish: Wish) -> None:
        self._teacher, self._examples, self._answers = teacher, examples, answers
        self._split, self._wish = split, wish
        train = examples.take(split.train)
        self._views = [View.of(part, wish.form) for part in train.inputs.values()]
        self._goals = [Goal.of(name, said[split.train]) for name, said in answers.items()]
        self._ranges = train.inputs
        self._per_channel = wish.target_bytes >= artifact.PER_CHANNEL_FROM_BYTES

    def student(self, width: int) -> Student:
        torch.manual_seed(self._wish.recipe.seed)
        return Student(self._views, self._goals, width)

    def width(self) -> int:
        target = self._wish.target_bytes
        return widest(self._size, target, narrowest=NARROWEST, widest=WIDEST)

    def _size(self, width: int) -> int:
        return len(self.files(artifact.stirred(self.student(width)))[1]) + SLACK_BYTES

    def files(self, student: Student) -> tuple[bytes, bytes]:
        example = {name: part[:2] for name, part in self._ranges.items()}
        fp32 = artifact.to_fp32(student, example, [goal.name for goal in self._goals])
        return fp32, artifact.to_int8(fp32, self._ranges, per_channel=self._per_channel)

    def taught(self, student: Student) -> Iterator[Progress]:
        lesson = Lesson(student, self._goals, self._wish.recipe)
        return lesson.steps(self._part(self._split.train), self._part(self._split.validation))

    def _part(self, index: NDArray[np.intp]) -> tuple[Examples, Answers]:
        return self._examples.take(index), {name: said[index] for name, said in self._answers.items()}

    def examined(self, width: int, fp32: bytes, int8: bytes) -> Summary:
        held_out, wanted = self._part(self._split.held_out)
        return examined(
            self._teacher,
            self._goals,
            held_out,
            wanted,
            {"fp32": fp32, "int8": int8},
            made=f"student of width {width}, at most {self._wish.target_bytes:,} bytes in int8",
            learned_from=len(self._split.train),
        )
