"""A model whose graph calls its tensors otherwise than the manifest does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from numpy.typing import NDArray

from model_registry.runtime.session import GraphTensor, Session, open_session
from model_registry.tier import Variant

Array = NDArray[Any]


class RenamedSession:
    """A session under the manifest's names, so that tiers from different tools can be one family."""

    def __init__(self, session: Session, names: Mapping[str, str]) -> None:
        """Wrap a session; `names` gives the graph's name for each of the manifest's that differs from it."""
        self._session = session
        self._in_graph = names
        in_manifest = {graph: manifest for manifest, graph in names.items()}
        self.inputs = tuple(_renamed(tensor, in_manifest) for tensor in session.inputs)
        self.outputs = tuple(_renamed(tensor, in_manifest) for tensor in session.outputs)

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run once and return the named outputs in order.

        Raises:
            RunFailed: the runtime gave up; the session stays usable.
        """
        in_graph = self._in_graph
        return self._session.run(
            [in_graph.get(name, name) for name in names],
            {in_graph.get(name, name): array for name, array in inputs.items()},
        )


def open_variant(content: bytes, variant: Variant, *, threads: int = 1) -> Session:
    """Load a variant's artifact, its tensors under the manifest's names.

    Raises:
        ModelUnreadable: the runtime is not installed, cannot read the model, or has no kernel for it.
    """
    session = open_session(content, variant.format, threads=threads)
    return RenamedSession(session, variant.names) if variant.names else session


def _renamed(tensor: GraphTensor, names: Mapping[str, str]) -> GraphTensor:
    return replace(tensor, name=names.get(tensor.name, tensor.name))
