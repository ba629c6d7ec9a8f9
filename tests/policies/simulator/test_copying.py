from __future__ import annotations

import gc
from collections.abc import Iterator
from enum import Enum
from itertools import count
from random import Random
from types import FunctionType, ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from meshd.core.candidate import Observation
from meshd.core.hosts import Hosts
from meshd.core.node import Telemetry
from meshd.core.node_view import NodeView
from policies.scenario import Scenario, draw
from policies.simulator import Simulator
from policies.simulator.copying import copy_of, is_fixed
from policies.simulator.terrain import Terrain
from tests.policies.simulator.playing import cheapest, play
from tests.policies.simulator.worlds import first_minute

FAMILIES = ("evening", "flaky_radio", "garden")
WORLDS = {family: first_minute(draw(family, 5)) for family in FAMILIES}


def _at_choice(world: Scenario, n_choices: int, chance: Random) -> Simulator:
    """A simulator that was played for a while by somebody who chooses anything that is allowed."""
    simulator = Simulator(world)
    while n_choices and (choice := simulator.next_choice()) is not None:
        simulator.choose(_anything(choice.observation, chance))
        n_choices -= 1
    simulator.next_choice()
    return simulator


def _anything(observation: Observation, chance: Random) -> int:
    return chance.choice([index for index, candidate in enumerate(observation.candidates) if candidate.allowed])


@settings(max_examples=12)
@given(family=st.sampled_from(FAMILIES), n_choices=st.integers(0, 60), seed=st.integers(0, 1000))
def test_a_copy_goes_on_exactly_as_the_original(family: str, n_choices: int, seed: int) -> None:
    original = _at_choice(WORLDS[family], n_choices, Random(seed))
    copied = original.copy()
    for simulator in (copied, original):
        chance = Random(seed)
        play(simulator, lambda observation, chance=chance: _anything(observation, chance))  # type: ignore[misc]
    assert copied.now == original.now
    assert copied.costs.since() == original.costs.since()
    assert copied.given_joules() == original.given_joules()


@settings(max_examples=4)
@given(family=st.sampled_from(FAMILIES), n_choices=st.integers(0, 60), seed=st.integers(0, 1000))
def test_what_copies_do_changes_nothing_for_the_original(family: str, n_choices: int, seed: int) -> None:
    alone, original = (_at_choice(WORLDS[family], n_choices, Random(seed)) for _ in range(2))
    for number in range(2):
        chance = Random(number)
        play(original.copy(), lambda observation, chance=chance: _anything(observation, chance))  # type: ignore[misc]
    for simulator in (alone, original):
        play(simulator)
    assert original.costs.since() == alone.costs.since()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_shares_nothing_with_the_original_that_can_change(family: str) -> None:
    original = _at_choice(WORLDS[family], 20, Random(1))
    copied = original.copy()
    shared = {id(one) for one in _reached(original)} & {id(one) for one in _reached(copied)}
    kinds = {type(one) for one in _reached(copied) if id(one) in shared}
    assert {kind for kind in kinds if not _cannot_change(kind)} == set()


def _reached(simulator: Simulator) -> Iterator[object]:
    """All objects that hang on a simulator, but for code, the scenario and what is looked up in it."""
    seen: set[int] = set()
    todo: list[object] = [simulator]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (type, FunctionType, ModuleType, Terrain, Enum)):
            continue
        seen.add(id(one))
        yield one
        todo += gc.get_referents(one)


def _cannot_change(kind: type) -> bool:
    """Structs that are frozen are looked into all the same: what they hold is in the list by itself."""
    if issubclass(kind, Struct):
        return kind.__struct_config__.frozen
    return kind in {str, int, float, bool, bytes, type(None), tuple, frozenset, type(_cannot_change.__code__)}


def test_a_struct_is_fixed_if_nothing_that_it_may_hold_can_change() -> None:
    assert [is_fixed(kind) for kind in (Observation, Telemetry, Hosts, NodeView)] == [True, True, False, False]


def test_what_nobody_has_said_how_to_copy_is_not_shared_by_oversight() -> None:
    with pytest.raises(TypeError, match="bytearray"):
        copy_of([bytearray()])


def test_a_counter_goes_on_from_where_it_is_in_both() -> None:
    counter = count(5)
    next(counter)
    copied = copy_of(counter)
    assert (next(counter), next(counter), next(copied)) == (6, 7, 6)


def test_what_is_held_twice_is_one_in_the_copy_as_well() -> None:
    inner: list[int] = []
    copied = copy_of([inner, {"again": inner}])
    assert copied[0] is copied[1]["again"]
    assert copied[0] is not inner


def test_a_rollout_of_every_candidate_leaves_the_world_as_it_is() -> None:
    simulator = _at_choice(WORLDS["evening"], 10, Random(2))
    choice = simulator.next_choice()
    assert choice is not None
    costs = []
    for index, candidate in enumerate(choice.observation.candidates):
        if candidate.allowed:
            rollout = simulator.copy()
            rollout.choose(index)
            play(rollout)
            costs.append(rollout.costs.cost)
    assert len(set(costs)) > 1
    simulator.choose(cheapest(choice.observation))
    assert simulator.next_choice() is not choice
