"""Some consecutive stages of a variant in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from numpy.typing import NDArray

from model_registry.runtime.session import GraphTensor, Session
from model_registry.section import Section
from model_registry.tensor import Tensor

Array = NDArray[Any]


class StageSession:
    """A session that takes and gives all that crosses: what its graph does not touch it hands through, uncopied."""

    def __init__(self, session: Session, section: Section) -> None:
        """Wrap the session of what :func:`model_registry.runtime.section_file.taken_out` returned."""
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


def _described(tensor: Tensor, names: Mapping[str, str], of_graph: tuple[GraphTensor, ...]) -> GraphTensor:
    found = next((graph for graph in of_graph if graph.name == names[tensor.name]), None)
    if found is None:
        return GraphTensor(name=tensor.name, dtype=tensor.dtype, shape=tensor.shape)
    return replace(found, name=tensor.name)
