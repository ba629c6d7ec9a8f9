from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")

from policies.errors import TrainingUnusable
from policies.sweep.point import Point, Varied, drawn, grid

RATES, WIDTHS = Varied.of("learning_rate=1e-4,2e-4"), Varied.of("width=16..64")


def test_a_grid_is_every_combination() -> None:
    assert [point.name for point in grid([RATES, Varied.of("width=32,64")])] == [
        "learning_rate=1e-4,width=32",
        "learning_rate=1e-4,width=64",
        "learning_rate=2e-4,width=32",
        "learning_rate=2e-4,width=64",
    ]
    assert [point.name for point in grid([])] == ["recipe"]


def test_what_is_drawn_lies_in_its_range_has_its_type_and_more_of_it_begins_alike() -> None:
    few, many = (drawn([RATES, WIDTHS], n_points, seed=4) for n_points in (3, 9))
    assert many[:3] == few
    assert len({point.name for point in many}) == 9
    recipes = [point.recipe(1, []) for point in many]
    assert {recipe.learning_rate for recipe in recipes} == {1e-4, 2e-4}
    assert {type(recipe.width) for recipe in recipes} == {int}
    assert all(16 <= recipe.width <= 64 for recipe in recipes)


def test_no_more_points_are_drawn_than_there_are() -> None:
    assert len(drawn([RATES], 5, seed=1)) == 2


def test_a_point_changes_the_recipe_and_nothing_else_of_it() -> None:
    (point,) = grid([Varied.of("width=32")])
    recipe = point.recipe(7, ["n_decisions=5000"])
    assert (recipe.seed, recipe.width, recipe.n_decisions) == (7, 32, 5000)
    assert recipe == Point(changed={}).recipe(7, ["n_decisions=5000", "width=32"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("widht=32", "no hyperparameter widht"),
        ("width=32,wide", "no such number"),
        ("width=1.5..8", "no such number"),
        ("learning_rate=1e-3..1e-4", "upside down"),
        ("width", "no such number"),
    ],
)
def test_what_cannot_be_varied_is_told(text: str, said: str) -> None:
    with pytest.raises(TrainingUnusable, match=said):
        Varied.of(text)


def test_a_range_is_no_grid_and_the_seed_no_hyperparameter() -> None:
    with pytest.raises(TrainingUnusable, match=r"width is a range.*--random"):
        grid([WIDTHS])
    with pytest.raises(TrainingUnusable, match=r"--seeds"):
        Point(changed={"seed": "3"}).recipe(1, [])
