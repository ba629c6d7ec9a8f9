"""Finds the places of one model, arranges its file by them, and keeps those that hold what they promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

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

_MOST_ROUNDS = 6
"""Each bans what crosses at the places that failed."""


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
    banned: frozenset[str] = field(default=frozenset())

    def run(self, progress: Progress) -> Proven:
        """Return the places that hold; what fails is moved, by letting nothing cross that crossed there.

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
            failed, differences = search._tried(proof, progress)
            if not failed:
                return Proven(proof=proof, heads=heads, differences=differences)
            why = f" {next(iter(failed.values()))}"
            search = search._without(heads[index] for index in failed)
        raise NotCuttable(
            f"It has no place to cut it at.{why}",
            hint="It runs whole, here or there. A model whose work lies in one branch or loop is one node.",
        )

    def heads(self) -> tuple[Head, ...]:
        """Return the places that are worth a try."""
        network = self.network()
        corners = hull(network)
        found = [head for head in (*corners, *balanced(network, corners)) if self._can_be_told(network, head)]
        return offered(network, [head for head in found if head and pays(network, head)], self.most)

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

    def _tried(self, proof: Proof, progress: Progress) -> tuple[dict[int, str], tuple[Difference, ...]]:
        """Return why places fail, by their number, and how far the others differ from the whole."""
        failed: dict[int, str] = {}
        differences: list[Difference] = []
        for index, place in enumerate(proof.arrangement.places):
            try:
                found = proof.at(place)
                why = proof.refusal(place) or self._verdict(found)
            except (ModelUnreadable, RunFailed) as error:
                found, why = Difference(float("inf"), 0.0), first_line(error)
            progress.advance()
            differences.append(found)
            if why:
                failed[index] = why
        if not failed and (why := self._verdict(proof.of_all_stages())):
            failed[len(differences) - 1] = why
        progress.advance()
        return failed, tuple(differences)

    def _verdict(self, found: Difference) -> str:
        """Return what is wrong with a difference; nothing where it is within the limits."""
        if found.is_bearable(quantised=self.quantised):
            return ""
        return f"Cut, it answers otherwise: by {found.error:.1e} of the largest output."

    def _without(self, heads: Iterator[Head]) -> Search:
        """Return the search in which nothing may cross any more that crossed at these places, inputs excepted."""
        crossed = {name for head in heads for name in self.graph.crossing(head)} - {*self.graph.inputs}
        return replace(self, banned=self.banned | crossed)
