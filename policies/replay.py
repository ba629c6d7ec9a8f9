"""Replay one world's arrivals on real daemons under two policies in turns, with the same in the simulator beside it.

``python -m policies.replay --policy shipped --family home``

Two households of three daemons each start on this machine, alike but for who chooses. Both are warmed by a calibration
load; then the same requests are asked of the one and the other, round after round. What they have cost is counted by
the formula of the environment. What a policy gains in the simulator it should gain here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from meshd.core.policy import LeastExpectedCost
from meshd.documents import ChoiceCounters
from meshd.policy.served import SHIPPED
from policies.command import run_command
from policies.errors import PoliciesError
from policies.evaluation.contender import Contender
from policies.evaluation.table import UNKNOWN
from policies.mesh.match import Match, Side, Terms, play_match
from policies.mesh.reward import Gain, Parts
from policies.mesh.stages import shown
from policies.scenario import Split, draw

_SERVED = {SHIPPED, LeastExpectedCost.name}
"""What a daemon serves by name."""

_PAPER_WIDTH = 120

told = Console(stderr=True)


def replay(  # noqa: PLR0917 - each is an option of the command line
    policy: Annotated[str, typer.Option(help="shipped, least-expected-cost, or the path of a policy.onnx.")] = SHIPPED,
    against: Annotated[str, typer.Option(help="The other one, named alike.")] = LeastExpectedCost.name,
    family: Annotated[str, typer.Option(help="Whose world is played.")] = "home",
    seed: Annotated[int, typer.Option(help="Which of its worlds.")] = 0,
    split: Annotated[Split | None, typer.Option(help="Devices and recordings of another split.")] = None,
    speed_up: Annotated[float, typer.Option(min=0.1, help="Requests come so many times as fast.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long one round lasts.")] = 120.0,
    rounds: Annotated[int, typer.Option(min=1, help="Of each policy.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of replay.json; made if need be.")] = Path("build/mesh"),
    keep: Annotated[Path | None, typer.Option(help="Folder for what the daemons keep, logs included.")] = None,
) -> None:
    """Say what one policy gains over another on real daemons, and what the simulator foretells."""
    names = _found(policy), _found(against)
    for name in names:
        Contender(name=name).policy(family)  # What cannot be run is told before any daemon starts.
    terms = Terms(policies=names, speed_up=speed_up, lasts_s=seconds, rounds=rounds)
    with shown(told) as stage:
        match = asyncio.run(play_match(draw(family, seed, split=split), terms, stage, keep))
    out.mkdir(parents=True, exist_ok=True)
    (out / "replay.json").write_bytes(msgspec.json.format(msgspec.json.encode(match), indent=1))
    paper = Console(width=None if Console().is_terminal else _PAPER_WIDTH)
    paper.print(_table(match))
    told.print(f"written: {out / 'replay.json'}")


def main() -> None:
    """Run the command line."""
    run_command(lambda: typer.run(replay), told)


def _found(name: str) -> str:
    """Return what both a daemon and the simulator take: a name, or a path from anywhere.

    Raises:
        PoliciesError: a daemon serves nothing of that name.
    """
    if name in _SERVED:
        return name
    if not name.endswith(".onnx"):
        hint = f"Name {', '.join(sorted(_SERVED))}, or the path of an .onnx file."
        raise PoliciesError(f"A daemon serves no policy '{name}'.", hint=hint)
    return str(Path(name).resolve())


def _table(match: Match) -> Table:
    title = f"{match.world}, {match.speed_up:g} times as fast: {match.n_rounds} rounds of {match.n_requests} requests"
    table = Table("", match.ours.policy, match.theirs.policy, "gain", "95 %", title=title)
    for column in table.columns:
        column.no_wrap = True
    both: tuple[Side, Side] = (match.ours, match.theirs)
    table.add_row("a request costs", *(_mj(side.cost.whole) for side in both), *_told(match.gain))
    table.add_row("simulated", *(_mj(side.simulated_cost.whole) for side in both), *_told(match.simulated_gain))
    for part in Parts.__struct_fields__:
        table.add_row(f"  its {part}", *(_mj(getattr(side.cost, part)) for side in both))
        table.add_row("  simulated", *(_mj(getattr(side.simulated_cost, part)) for side in both))
    table.add_row("p50", *(f"{side.p50_ms:.2f} ms" for side in both))
    table.add_row("missed", *(f"{side.missed:.1%}" for side in both))
    table.add_row("asked", *(str(side.choices.asked) for side in both))
    table.add_row("waits", *(str(side.choices.waits) for side in both))
    table.add_row("left to the rule", *(_left_to_rule(side.choices) for side in both))
    return table


def _told(gain: Gain) -> tuple[str, str]:
    return _mj(gain.mean), UNKNOWN if gain.low is None or gain.high is None else f"{_mj(gain.low)} … {_mj(gain.high)}"


def _mj(joules: float) -> str:
    return f"{joules * 1e3:.3g} mJ"


def _left_to_rule(choices: ChoiceCounters) -> str:
    """Tell how much of what a policy was asked its guard left to the rule, and why."""
    share = sum(choices.guarded.values()) / max(1, choices.asked)
    return ", ".join((f"{share:.1%}", *(f"{why} {count}" for why, count in sorted(choices.guarded.items()))))


if __name__ == "__main__":
    main()
