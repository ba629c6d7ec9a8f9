"""What the correction by experience brings, on worlds that are as they say and on worlds that are not.

``python -m policies.adaptation --families test --seeds 8``

Each world is played by a policy as it is, by the same with the correction from nothing, and by the same with what it
had learned on the same devices and demands with other luck: experience is kept from day to day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
import typer
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from meshd.core.ids import NodeId
from meshd.core.policy import Policy
from meshd.policy.adaptation import Adapted
from meshd.policy.experience import Experience, Kept
from policies.command import run_command
from policies.evaluation.contender import Contender
from policies.evaluation.minds import Minds
from policies.evaluation.summary import Floats, bootstrap, interval
from policies.evaluation.table import span
from policies.scenario import Luck, Scenario, draw, families_asked
from policies.scenario.unlike import Unlike, made_unlike
from policies.simulator import Simulator
from policies.workers import Pool, in_order

_OTHER_LUCK = 991

app = typer.Typer(add_completion=False, help="Measure what the correction by experience brings.")


class World(Struct, frozen=True, kw_only=True):
    """One world to be played."""

    unlike: Unlike
    family: str
    seed: int
    policy: Contender

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"{self.family} {self.seed}, {self.unlike}"


class Played(Struct, frozen=True, kw_only=True):
    """What a request has cost in the mean, in joules."""

    world: World
    plain: float
    fresh: float
    experienced: float


Saved = tuple[float, float | None, float | None]
"""Mean, low, high; these two none where a family has a single world."""


class Gain(Struct, frozen=True, kw_only=True):
    """What a correction gains, as a share of the cost without it; the interval is of 95 %, over seeds."""

    unlike: Unlike
    family: str
    cost: float
    """Without it, in joules."""
    fresh: Saved
    """From nothing."""
    experienced: Saved
    """The same with what was learned before."""


@app.command()
def measure(  # noqa: PLR0917 - typer's parameters are options, never positional
    policy: Annotated[str, typer.Option(help="shipped, a baseline's name, or the path.")] = "least-expected-cost",
    families: Annotated[str, typer.Option(help="test, validation, train, or names with commas between.")] = "test",
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of each family.")] = 8,
    unlike: Annotated[list[Unlike] | None, typer.Option(help="What is not as it says; else all. Repeatable.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Worlds played at the same time.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for programs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Play, and print what the correction gains."""
    names = families_asked(families)
    contender = Contender(name=policy)
    worlds = [
        World(unlike=kind, family=name, seed=seed, policy=contender)
        for kind in unlike or Unlike
        for name in names
        for seed in range(seeds)
    ]
    gains = gains_of(list(in_order(Pool(processes), play_world, worlds, name=lambda world: world.name)))
    if as_json:
        print(msgspec.json.encode(gains).decode())
        return
    for gain in gains:
        told = f"from nothing {_told(gain.fresh)}, with experience {_told(gain.experienced)}"
        print(f"{gain.unlike:12} {gain.family:16} {gain.cost * 1e3:7.1f} mJ: {told}")


def main() -> None:
    """Run the command line."""
    run_command(app, Console(stderr=True))


def play_world(world: World) -> Played:
    """Return what a world costs under a policy without the correction, with it, and with it and experience."""
    scenario = made_unlike(draw(world.family, world.seed), world.unlike)
    before = replace(scenario, luck=Luck(seed=scenario.luck.seed + _OTHER_LUCK))
    _, kept = _played(before, world, {})
    return Played(
        world=world,
        plain=_played(scenario, world, None)[0],
        fresh=_played(scenario, world, {})[0],
        experienced=_played(scenario, world, kept)[0],
    )


def gains_of(played: Sequence[Played]) -> list[Gain]:
    """Return the gains in each family, and the mean of all families, for each kind of world."""
    gains = []
    for unlike in dict.fromkeys(one.world.unlike for one in played):
        families: dict[str, list[Played]] = {}
        for one in played:
            if one.world.unlike is unlike:
                families.setdefault(one.world.family, []).append(one)
        gains += [_gain(unlike, family, [ones]) for family, ones in families.items()]
        gains.append(_gain(unlike, "all", list(families.values())))
    return gains


def _gain(unlike: Unlike, family: str, families: Sequence[Sequence[Played]]) -> Gain:
    plain = [np.array([one.plain for one in ones]) for ones in families]
    fresh = [np.array([one.fresh for one in ones]) for ones in families]
    experienced = [np.array([one.experienced for one in ones]) for ones in families]
    return Gain(
        unlike=unlike,
        family=family,
        cost=float(np.mean([row.mean() for row in plain])),
        fresh=_share(plain, fresh),
        experienced=_share(plain, experienced),
    )


def _share(plain: Sequence[Floats], other: Sequence[Floats]) -> Saved:
    """Return what is saved as a share of the mean of its family, with an interval; families weigh alike."""
    saved = [(before - after) / before.mean() for before, after in zip(plain, other, strict=True)]
    low, high = interval(bootstrap(saved)) or (None, None)
    return float(np.mean([row.mean() for row in saved])), low, high


def _played(scenario: Scenario, world: World, kept: Mapping[NodeId, Kept] | None) -> tuple[float, dict[NodeId, Kept]]:
    """Return what a request costs, and what each node has learned; none is to be learned where none is kept."""

    def make() -> Policy:
        policy = world.policy.policy(world.family)
        return policy if kept is None else Adapted(policy, scenario.settings, Experience(world.policy.name))

    simulator, minds = Simulator(scenario), Minds(make, kept or {})
    while (choice := simulator.next_choice()) is not None:
        simulator.choose(minds.choose(choice, simulator))
    minds.hear(simulator.costs)
    return simulator.costs.cost / max(1, len(scenario.arrivals)), minds.kept


def _told(gain: Saved) -> str:
    return f"{gain[0]:+.2%} ({span(gain[1], gain[2], '+.2%')})"


if __name__ == "__main__":
    main()
