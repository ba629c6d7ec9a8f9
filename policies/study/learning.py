"""How a training's gain has grown: the networks of its rounds, and what reinforcement made of the last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from msgspec import Struct
from typing_extensions import override

from policies.baselines import DEFAULT
from policies.errors import NoPolicy
from policies.evaluation.contender import Contender
from policies.evaluation.network import Network
from policies.page import Card
from policies.sheet import Sheet
from policies.study.arm import Arm
from policies.study.findings import Findings
from policies.study.gain import GAIN_HEADS, Gain, gain, gain_cells
from policies.study.runs import Runs
from policies.study.written import bounds, value

REINFORCED = "reinforced"
_HEADS = ("network", "labels", "decisions", *GAIN_HEADS)


class Step(Struct, frozen=True, kw_only=True):
    """One network of a training."""

    labels: int
    """That it learned from."""
    decisions: int
    """Of reinforcement, behind them."""
    gain: Gain
    """Over the rule."""
    families: dict[str, Gain]


class Learning(Findings, frozen=True, kw_only=True):
    """The whole study."""

    steps: dict[str, Step]
    """In the order of the training."""

    title = "What longer training has brought"
    lead = (
        "Each round of a training tries more ways, and a network learns from the labels of all rounds so far; then the"
        " last is trained by reinforcement. All of them play the same worlds behind the guard. Gains are over the rule,"
        " of a request; joules are of the nodes with a battery. Families weigh alike."
    )

    @classmethod
    def of(cls, runs: Runs, policy: str, command: str) -> Self:
        """Return the study of what was played by the networks of a training's folder."""
        return cls(
            policy=Path(policy).name,
            command=command,
            n_worlds=runs.n_worlds(runs.families),
            steps={name: _step(runs, name, _network(one)) for name, one in _networks(policy).items()},
        )

    @override
    def cards(self) -> list[Card]:
        """Return what the first and the last network gain."""
        names = list(self.steps)
        return [_card(name, self.steps[name]) for name in dict.fromkeys((names[0], names[-1]))]

    @override
    def sheets(self) -> list[Sheet]:
        """Return one table over all families, then one for each."""
        rows = [[*_names(name, step), *gain_cells(step.gain)] for name, step in self.steps.items()]
        families = list(next(iter(self.steps.values())).families)
        return [
            Sheet(title="all families, over the rule", heads=_HEADS, rows=rows),
            *(Sheet(title=family, heads=_HEADS, rows=self._rows(family)) for family in families),
        ]

    def _rows(self, family: str) -> list[list[str]]:
        return [[*_names(name, step), *gain_cells(step.families[family])] for name, step in self.steps.items()]


def arms(policy: str) -> list[Arm]:
    """Return the rule and each network of a training's folder.

    Raises:
        NoPolicy: it is none.
    """
    return [
        Arm(name=DEFAULT, contender=Contender(name=DEFAULT)),
        *(Arm(name=name, contender=one) for name, one in _networks(policy).items()),
    ]


def _networks(policy: str) -> Mapping[str, Contender]:
    """Return the networks of all rounds, then that of reinforcement where there was any."""
    folder = Path(policy)
    paths = sorted((folder / "labels").glob("round-*.onnx"), key=lambda path: int(path.stem.partition("-")[2]))
    if not paths:
        hint = "Name the folder of a training: what 'python -m policies.train --out' was given."
        raise NoPolicy(f"{policy} holds no networks of rounds.", hint=hint)
    found = {path.stem: Contender(name=str(path)) for path in paths}
    last = Contender(name=str(folder / "candidate.onnx"))
    if Path(last.name).is_file() and _count(_network(last), "decisions"):
        found[REINFORCED] = last
    return found


def _network(contender: Contender) -> Network:
    network = contender.network
    assert network is not None, "no baseline is in a training's folder"
    return network


def _step(runs: Runs, name: str, network: Network) -> Step:
    return Step(
        labels=_count(network, "labels"),
        decisions=_count(network, "decisions"),
        gain=gain(runs, name, DEFAULT, runs.families),
        families={family: gain(runs, name, DEFAULT, [family]) for family in runs.families},
    )


def _count(network: Network, what: str) -> int:
    return int(network.training.get(what, 0))


def _names(name: str, step: Step) -> list[str]:
    return [name, f"{step.labels:,}", f"{step.decisions:,}"]


def _card(name: str, step: Step) -> Card:
    share = step.gain.share
    text = f"of what a request costs by the rule, from {step.labels:,} labels; 95 %: {bounds(share, '+z.1%')}"
    return Card(title=name, figure=value(share, "+z.1%"), text=text)
