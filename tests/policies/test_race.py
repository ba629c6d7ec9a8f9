from __future__ import annotations

from collections import Counter

from policies.race import Parameters, Race


class Course:
    """Worlds that cost what a point says, and luck that is the same for all; it counts what was played."""

    def __init__(self, n_worlds: int = 20) -> None:
        self.worlds = list(range(n_worlds))
        self.played: Counter[tuple[object, int]] = Counter()

    def cost(self, point: Parameters, world: int) -> float:
        self.played[point["cost"], world] += 1
        own_luck = 0.3 * ((world * 7 + int(10 * float(str(point["cost"])))) % 5)
        return float(str(point["cost"])) + 10.0 * world + own_luck

    def race(self) -> Race[int]:
        return Race(self.cost, self.worlds)


def test_who_costs_less_in_the_mean_is_better_and_each_world_is_played_once_for_each() -> None:
    course = Course()
    race = course.race()
    assert race.is_better({"cost": 1.0}, {"cost": 2.0})
    assert not race.is_better({"cost": 2.0}, {"cost": 1.0})
    assert set(course.played.values()) == {1}
    assert len(course.played) == 40


def test_who_is_far_behind_or_just_as_good_does_not_play_all_worlds() -> None:
    course = Course()
    race = course.race()
    assert not race.is_better({"cost": 9.0}, {"cost": 1.0})
    assert not race.is_better({"cost": 1.0, "idle": True}, {"cost": 1.0})
    assert all(n == 6 for n in Counter(cost for cost, _ in course.played).values())


def test_few_worlds_are_all_played() -> None:
    course = Course(n_worlds=3)
    assert not course.race().is_better({"cost": 9.0}, {"cost": 1.0})
    assert len(course.played) == 6


def test_who_is_as_good_is_not_better() -> None:
    assert not Course(n_worlds=2).race().is_better({"cost": 1.0}, {"cost": 1.0})
