"""Some consecutive stages of a variant in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from numpy.typing import NDArray

from model_registry.errors import ModelUnreadable
from model_registry.runtime.session import GraphTensor, Session
from model_registry.runtime.stage_file import StageFile, take_stage
from model_registry.section import Section
from model_registry.tensor import Tensor

Array = NDArray[Any]


class StageSession:
    """A session that takes and gives all that crosses: what its graph does not touch it hands through, uncopied."""

    def __init__(self, session: Session, section: Section) -> None:
        """Wrap the session of what :func:`taken_out` returned."""
        self._session = session
        called = {graph: name for name, graph in section.taken_as.items()}
        self._feeds = [(tensor.name, called[tensor.name]) for tensor in session.inputs]
        made = {tensor.name for tensor in session.outputs}
        self._outputs = [graph for graph in section.given_as.values() if graph in made]
        self._made = {name: self._outputs.index(g) for name, g in section.given_as.items() if g in made}
        self._through = {name: called[graph] for name, graph in section.given_as.items() if graph not in made}
        self.inputs = tuple(_described(t, section.taken_as, session.inputs) for t in section.takes)
        self.outputs = tuple(_described(t, section.given_as, session.outputs) for t in section.gives)

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run once and return the named tensors in order.

        Raises:
            RunFailed: the runtime gave up; the session stays usable.
        """
        arrays = self._session.run(self._outputs, {graph: inputs[name] for graph, name in self._feeds})
        made, through = self._made, self._through
        return [arrays[made[name]] if name in made else inputs[through[name]] for name in names]


def taken_out(content: bytes, section: Section) -> StageFile:
    """Take a section out of its variant's artifact; a single stage is held against its hash in the manifest.

    Raises:
        ModelUnreadable: it cannot be taken out, is another one, or takes and gives something else than what crosses.
    """
    stage = take_stage(content, section.first_node, section.last_node)
    if section.sha256 not in {None, hashlib.sha256(stage.content).hexdigest()}:
        raise _no_stages(section, "their bytes are not those that the manifest was made for")
    if flaw := _flaw_of_ends(section, stage):
        raise _no_stages(section, flaw)
    return stage


def _flaw_of_ends(section: Section, stage: StageFile) -> str:
    """Return in what a graph's ends are not what crosses before and behind it, by the graph's own names."""
    if not stage.inputs or not stage.outputs:
        return f"they {'give' if stage.inputs else 'take'} nothing"
    takes = {section.taken_as[tensor.name]: tensor.dtype for tensor in section.takes}
    gives = {section.given_as[tensor.name]: tensor.dtype for tensor in section.gives}
    if strangers := stage.inputs - takes.keys():
        return f"they take '{min(strangers)}', which does not cross before them"
    if lost := gives.keys() - stage.outputs - takes.keys():
        return f"they do not give '{min(lost)}', which crosses behind them"
    if changed := [name for name in gives.keys() - stage.outputs if gives[name] != takes[name]]:
        return f"they hand '{min(changed)}' through, which is of another type behind them than before"
    return ""


def _described(tensor: Tensor, names: Mapping[str, str], of_graph: tuple[GraphTensor, ...]) -> GraphTensor:
    found = next((graph for graph in of_graph if graph.name == names[tensor.name]), None)
    if found is None:
        return GraphTensor(name=tensor.name, dtype=tensor.dtype, shape=tensor.shape)
    return replace(found, name=tensor.name)


def _no_stages(section: Section, why: str) -> ModelUnreadable:
    problem = f"Stages {section.first} to {section.last} cannot be run: {why}."
    return ModelUnreadable(problem, hint="Split the model again: `meshd models split`.")
