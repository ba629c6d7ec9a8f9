"""A batch shared between the children of a request: views of its input, and their outputs joined again.

Only models are shared all of whose tensors have the batch as their first axis (``HostedTier.max_items``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np
from msgspec.structs import replace

from meshd.core.commands import Finish, Fork
from meshd.daemon.ledger import Entry, Outputs
from meshd.executor.input_contract import BATCH
from meshd.wire.tensors import encode_tensors

_NOTHING = memoryview(b"")


def children_of(parent: Entry, fork: Fork) -> Iterator[Entry]:
    """Yield an entry for each child; its input lies in its parent's memory."""
    bounds = (
        pairwise(accumulate(fork.items, initial=0)) if fork.items else ((0, parent.request.batch),) * len(fork.children)
    )
    for request_id, (first, last) in zip(fork.children, bounds, strict=True):
        n_items = last - first
        inputs = {name: array[first:last] if fork.items else array for name, array in parent.inputs.items()}
        request = replace(
            parent.request,
            request_id=request_id,
            batch=n_items,
            input_bytes=sum(array.nbytes for array in inputs.values()),
        )
        extents = {**parent.extents, BATCH: n_items} if fork.items else parent.extents
        yield Entry(request, extents, (), _NOTHING, inputs, [], checked_by=parent.checked_by, parent=parent)


def outputs_of(entry: Entry, command: Finish) -> Outputs:
    """Return what a command names: the outputs of an attempt, of one child, or of all children joined."""
    assert command.attempt is not None, "an answer comes from an attempt"
    if command.child is not None:
        return entry.children[command.child]
    if command.attempt in entry.outputs:
        return entry.outputs[command.attempt]
    return _joined([entry.children[child] for child in entry.forked])


def _joined(parts: Sequence[Outputs]) -> Outputs:
    tensors = {name: np.concatenate([part.tensors[name] for part in parts]) for name in parts[0].tensors}
    return Outputs(tensors, *encode_tensors(tensors))
