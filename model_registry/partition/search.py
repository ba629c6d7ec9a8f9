"""Finds the places of one model, arranges its file by them, and keeps those that hold what they promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import onnx

from model_registry.convert.errors import first_line
from model_registry.convert.progress import Progress
from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.partition.arrangement import Arrangement, arranged
from model_registry.partition.balance import balanced
from model_registry.partition.depth import depths
from model_registry.partition.difference import Difference
from model_registry.partition.errors import NotCuttable
from model_registry.partition.graph import Graph
from model_registry.partition.hull import hull
from model_registry.partition.network import Head, Network
from model_registry.partition.offer import offered, pays
from model_registry.partition.proof import Proof
from model_registry.partition.state import together
from model_registry.partition.trace import Trace
from model_registry.partition.trials import Trials
from model_registry.split import MOST_TENSORS
from model_registry.tensor import Tensor

_MOST_ROUNDS = 12
"""Each lets one tensor less cross at every place that failed."""
_WIDE_INTEGERS = frozenset({"int32", "int64"})
"""Indices, lengths and shapes: what a node draws for them on trial fits nothing."""


class Failure(NamedTuple):
    """Why a place does not hold."""

    why: str
    refused: bool
    """Its parts do not run on all that may cross; otherwise they answer otherwise than the whole."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """Places that passed, in the file that they were tried in."""

    proof: Proof
    heads: tuple[Head, ...]
    differences: tuple[Difference, ...]

    @property
    def arrangement(self) -> Arrangement:
        """Return the file and its places."""
        return self.proof.arrangement


@dataclass(frozen=True, kw_only=True)
class Search:
    """One prepared model, and what is asked of its places."""

    model: onnx.ModelProto
    graph: Graph
    trace: Trace
    work_ns: Mapping[int, int]
    trials: Trials
    outputs: tuple[Tensor, ...]
    most: int
    least_depth: int = 0
    """What crosses must have gone through so many layers, where the raw input may not leave its node."""
    quantised: bool = False
    """Its answers are judged by agreement where they are not the same bits."""
    exact: bool = True
    """Only places at which the parts answer bit for bit as the whole."""
    banned: frozenset[str] = frozenset()
    """What may not cross any more."""
    failed: frozenset[Head] = frozenset()
    passed: Mapping[Head, Difference] = field(default_factory=dict)
    """Places that held in an earlier round, whose file was ordered a little otherwise."""

    def run(self, progress: Progress) -> Proven:
        """Return the places that hold bit for bit; where there are none, those that do within the limits.

        Those that fail are moved, by not letting cross what was to blame.

        Raises:
            NotCuttable: there is none, or none that holds.

        """
        search, why = self, ""
        for _ in range(_MOST_ROUNDS):
            heads = search.heads()
            if not heads:
                break
            proof = Proof(arranged(self.model, self.graph, heads, self.trace.tensors), self.trials, self.outputs)
            progress.begin("proving that head and tail answer as the whole", len(heads) + 1)
            failed, differences = search._tried(proof, heads, progress)
            if not failed:
                return Proven(proof=proof, heads=heads, differences=differences)
            why = f" {next(iter(failed.values())).why}"
            search = search._after(heads, differences, failed)
        if self.exact:
            return replace(self, exact=False).run(progress)
        raise NotCuttable(
            f"It has no place to cut it at.{why}",
            hint="It runs whole, here or there. A model whose work lies in one branch or loop is one node.",
        )

    def heads(self) -> tuple[Head, ...]:
        """Return the places that are worth a try."""
        network = self.network()
        corners = hull(network)
        found = [head for head in (*corners, *balanced(network, corners)) if self._can_be_told(network, head)]
        return offered(network, [head for head in found if head not in self.failed and pays(network, head)], self.most)

    def _can_be_told(self, network: Network, head: Head) -> bool:
        return network.is_possible(head) and 1 <= len(self.graph.crossing(head)) <= MOST_TENSORS

    def network(self) -> Network:
        """Return the graph as a flow sees it, without what may not cross."""
        depth = depths(self.model, self.graph)
        usable = {
            name: size
            for name, size in self.trace.bytes_of.items()
            if name not in self.banned and depth[name] >= self.least_depth
        }
        return Network(
            graph=self.graph,
            bytes_of=usable,
            work_ns=self.work_ns,
            together=together(self.graph, self.trace.tensors),
        )

    def _tried(
        self, proof: Proof, heads: Sequence[Head], progress: Progress
    ) -> tuple[dict[int, Failure], tuple[Difference, ...]]:
        """Return why places fail, by their number, and how far the others differ from the whole."""
        failed: dict[int, Failure] = {}
        differences: list[Difference] = []
        for index, (head, place) in enumerate(zip(heads, proof.arrangement.places, strict=True)):
            known = self.passed.get(head)
            found, failure = (known, None) if known else self._at(proof, place)
            differences.append(found)
            if failure:
                failed[index] = failure
            progress.advance()
        if not failed and (failure := self._verdict(proof.of_all_stages())):
            failed[len(differences) - 1] = failure
        progress.advance()
        return failed, tuple(differences)

    def _at(self, proof: Proof, place: int) -> tuple[Difference, Failure | None]:
        try:
            found, why = proof.at(place), proof.refusal(place)
        except (ModelUnreadable, RunFailed) as error:
            found, why = Difference(float("inf"), 0.0), first_line(error)
        return found, Failure(why, refused=True) if why else self._verdict(found)

    def _verdict(self, found: Difference) -> Failure | None:
        """Return what is wrong with a difference; nothing where it is within the limits."""
        if found.none or (not self.exact and found.is_bearable(quantised=self.quantised)):
            return None
        return Failure(f"Cut, it answers otherwise: by {found.error:.1e} of the largest output.", refused=False)

    def _after(self, heads: Sequence[Head], differences: Sequence[Difference], failed: Mapping[int, Failure]) -> Search:
        """Return the search in which nothing crosses any more that was to blame, and what held is not tried again."""
        blamed = {name for index, failure in failed.items() for name in self._blamed(heads[index], failure)}
        held = {head: differences[index] for index, head in enumerate(heads) if index not in failed}
        return replace(
            self,
            banned=self.banned | blamed,
            failed=self.failed | {heads[index] for index in failed},
            passed={**self.passed, **held},
        )

    def _blamed(self, head: Head, failure: Failure) -> list[str]:
        """Return what kept a place from holding: integers that nobody could draw, or what was made last before it."""
        made = [name for name in self.graph.crossing(head) if name in self.graph.maker]
        wide = [name for name in made if self.trace.tensors[name].dtype in _WIDE_INTEGERS]
        if failure.refused and wide:
            return wide
        return sorted(made, key=self.graph.maker.__getitem__)[-1:]
