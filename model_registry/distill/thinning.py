"""The whole way of pruning: ask the model, take channels out, train what is left, quantise, examine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_registry.convert.packing import packed
from model_registry.distill import artifact
from model_registry.distill.distillation import Distilled, Told
from model_registry.distill.examination import examined
from model_registry.distill.examples import Examples, Split
from model_registry.distill.finetuning import finetuned
from model_registry.distill.goal import Goal
from model_registry.distill.lesson import Answers, Progress, Recipe
from model_registry.distill.pruning import prune
from model_registry.distill.teacher import Teacher


def thinned(teacher: Teacher, examples: Examples, share: float, recipe: Recipe, told: Told) -> Distilled:
    """Return the teacher without `share` of its channels, in float32 and int8.

    Raises: DistillError when it has none to lose, or cannot answer the examples.
    """
    split = Split.of(len(examples), recipe.seed)
    told("asking the model", None)
    answers = teacher.answers(examples.inputs)
    goals = [Goal.of(name, said[split.train]) for name, said in answers.items()]

    def part(index: NDArray[np.intp]) -> tuple[Examples, Answers]:
        return examples.take(index), {name: said[index] for name, said in answers.items()}

    (train, wanted_of_train), (validation, wanted_of_validation) = part(split.train), part(split.validation)
    pruned = prune(teacher.path.read_bytes(), share, train.inputs, lambda doing: told(doing, None))
    tuned = finetuned(
        pruned.model,
        goals,
        (train.inputs, wanted_of_train),
        (validation.inputs, wanted_of_validation),
        lambda step, loss: told("fine-tuning", Progress(step=step, steps=recipe.steps, validation=loss)),
        steps=recipe.steps,
        seed=recipe.seed,
    )
    told("quantising and examining", None)
    fp32 = packed(tuned.model, names_nodes=True).SerializeToString()
    files = {"fp32": fp32, "int8": artifact.to_int8(fp32, train.inputs, per_channel=True)}
    left = f"; left whole: {'; '.join(pruned.left_whole)}" if pruned.left_whole else ""
    made = f"{pruned.removed} of {pruned.channels} channels taken away{left}; {tuned.note}"
    held_out, wanted = part(split.held_out)
    return Distilled(
        files=files,
        summary=examined(teacher, goals, held_out, wanted, files, made=made, learned_from=len(train)),
    )
