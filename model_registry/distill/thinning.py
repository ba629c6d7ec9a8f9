"""The whole way of pruning: ask the model, take channels out, quantise, examine."""

from __future__ import annotations

import numpy as np

from model_registry.distill import artifact
from model_registry.distill.distillation import Distilled, Told
from model_registry.distill.examination import examined
from model_registry.distill.examples import Examples, Split
from model_registry.distill.goal import Goal
from model_registry.distill.pruning import CALIBRATION, prune
from model_registry.distill.teacher import Teacher


def thinned(teacher: Teacher, examples: Examples, share: float, seed: int, told: Told) -> Distilled:
    """Return the teacher without `share` of its channels, in float32 and int8.

    Raises: DistillError when it has none to lose, or cannot answer the examples.
    """
    split = Split.of(len(examples), seed)
    shown, held_out = examples.take(np.concatenate([split.train, split.validation])), examples.take(split.held_out)
    told("asking the model", None)
    wanted = teacher.answers(held_out.inputs)
    pruned = prune(teacher.path.read_bytes(), share, shown.inputs, lambda doing: told(doing, None))
    told("quantising and examining", None)
    files = {"fp32": pruned.content, "int8": artifact.to_int8(pruned.content, shown.inputs, per_channel=True)}
    left = f"; left whole: {'; '.join(pruned.left_whole)}" if pruned.left_whole else ""
    return Distilled(
        files=files,
        summary=examined(
            teacher,
            [Goal.of(name, said) for name, said in wanted.items()],
            held_out,
            wanted,
            files,
            made=f"{pruned.removed} of {pruned.channels} channels taken away{left}",
            learned_from=min(len(shown), CALIBRATION),
        ),
    )
