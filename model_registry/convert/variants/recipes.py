"""Every recipe by the name that `--variants` knows it by."""

from __future__ import annotations

from collections.abc import Sequence

from model_registry.convert.errors import ModelRefused
from model_registry.convert.variants.fp16 import Fp16
from model_registry.convert.variants.int4 import Int4
from model_registry.convert.variants.int8 import Int8
from model_registry.convert.variants.int8_dynamic import Int8Dynamic
from model_registry.convert.variants.pruned import Pruned
from model_registry.convert.variants.recipe import Recipe
from model_registry.flaw import closest

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (Int8(), Int8Dynamic(), Fp16(), Int4(), Pruned())}


def recipes(names: Sequence[str]) -> tuple[Recipe, ...]:
    """Return the recipes asked for, in their usual order; all of them when none was named.

    Raises:
        ModelRefused: there is no recipe of that name.

    """
    for name in names:
        if name not in RECIPES:
            raise ModelRefused(f"There is no variant '{name}'.", hint=closest(name, RECIPES))
    return tuple(recipe for name, recipe in RECIPES.items() if not names or name in names)
