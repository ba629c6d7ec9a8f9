"""From a trained network to the file that a daemon serves."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from meshd.policy.layout import CANDIDATE, CONTEXT, N_CANDIDATE, N_CONTEXT, Bend, Feature, block
from meshd.policy.record import Record, read
from model_registry.runtime.onnx_session import OnnxSession
from policies.draft import draft_of
from policies.errors import ExportFailed
from policies.network import Form, Scorer

Floats = NDArray[np.float32]
Logits = Callable[[Floats, Floats], Floats]
"""``float32[batch, rows, N_CANDIDATE]`` and ``float32[batch, N_CONTEXT]`` to ``float32[batch, rows]``."""

MOST_BYTES = 200_000
"""Of the file."""
_GRAPH_BYTES = 9_780
"""Of it, what is beside the weights, however many there are. Measured with torch 2.13, by the test of file_bytes."""
_MOST_OFF = 1e-5
"""By how much a logit of the file may differ from torch's, as a share of the largest, or of 1."""


class Range(Struct, frozen=True, kw_only=True):
    """What training saw of each column, candidates' before the context's.

    All of it where a column is bounded by nature, as flags are, of which some are rare; else but for a thousandth on
    either side.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, candidates: Floats, context: Floats) -> Range:
        """Return the range of ``float32[n, N_CANDIDATE]``, of what might be chosen, and ``float32[n, N_CONTEXT]``."""
        low, high = np.concatenate([_bounds(candidates, CANDIDATE), _bounds(context, CONTEXT)], axis=1)
        return cls(low=tuple(low.round(4).tolist()), high=tuple(high.round(4).tolist()))


def _bounds(figures: Floats, table: tuple[Feature, ...]) -> Floats:
    """Return the least and the most of each column, ``float32[2, columns]``."""
    found = np.quantile(figures, (0.001, 0.999), axis=0)
    bounded = block(table, Bend.LINEAR)
    found[:, bounded] = figures[:, bounded].min(axis=0), figures[:, bounded].max(axis=0)
    return found


def export(scorer: Scorer, path: Path, *, name: str, seen: Range, training: Mapping[str, str | int | float]) -> None:
    """Write the network as ONNX, and its record beside it, as :class:`meshd.policy.learned.LearnedPolicy` takes them.

    What was there before stays until both are written and checked. Whoever is killed between the two leaves a network
    with another one's record, which is told as such and never served.

    Logits only: masks and the choice of the highest are for whoever serves it. Inputs ``candidates``,
    ``float32[batch, rows, N_CANDIDATE]``, and ``context``, ``float32[batch, N_CONTEXT]``; output ``logits``,
    ``float32[batch, rows]``.

    Raises:
        ExportFailed: the file says something else than the network, or is too large.

    """
    scorer = scorer.cpu().eval()
    batch, rows = torch.export.Dim("batch"), torch.export.Dim("rows")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The exporter's about itself, and that no torchvision is there.
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            scorer,
            (torch.zeros(2, 3, N_CANDIDATE), torch.zeros(2, N_CONTEXT)),
            input_names=["candidates", "context"],
            output_names=["logits"],
            dynamic_shapes=({0: batch, 1: rows}, {0: batch}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # Where in torch's sources each node is from; longer than the weights.
        node.doc_string = ""
    network = model.SerializeToString()
    record = Record.of(network, name=name, low=seen.low, high=seen.high, training=training)
    with _drafts_of(path) as draft:
        record.save(network, draft)
        _check(scorer, draft, path)


def file_bytes(form: Form) -> int:
    """Return about how large the file of a network is, before there is any."""
    with torch.device("meta"):  # Nothing but shapes: no memory, and no chance that a training would miss.
        weights_bytes: int = sum(weights.nbytes for weights in Scorer(form).parameters())
    return _GRAPH_BYTES + weights_bytes


def promote(path: Path, place: Path, **measured: float) -> None:
    """Copy what was exported to another place, as safely, with what has been measured since in its record."""
    record, network = read(path)
    with _drafts_of(place) as draft:
        replace(record, training=record.training | measured).save(network, draft)


@contextmanager
def _drafts_of(path: Path) -> Iterator[Path]:
    """Give a path to write a network and its record to; the record takes its place last."""
    with draft_of(path.with_suffix(".toml")), draft_of(path) as draft:
        yield draft


def logits_of(path: Path) -> Logits:
    """Return what runs such a file."""
    session = OnnxSession(path.read_bytes())

    def run(candidates: Floats, context: Floats) -> Floats:
        logits: Floats = session.run(["logits"], {"candidates": candidates, "context": context})[0]
        return logits

    return run


def torch_logits_of(scorer: Scorer) -> Logits:
    """Return what runs a network as it is at each moment."""

    def run(candidates: Floats, context: Floats) -> Floats:
        with torch.no_grad():
            logits: Floats = scorer(torch.from_numpy(candidates), torch.from_numpy(context)).numpy()
        return logits

    return run


def _check(scorer: Scorer, draft: Path, path: Path) -> None:
    chance, exported, trained = np.random.default_rng(1), logits_of(draft), torch_logits_of(scorer)
    for batch, rows in ((1, 2), (64, 7), (3, 40)):
        candidates = chance.normal(size=(batch, rows, N_CANDIDATE)).astype(np.float32)
        context = chance.normal(size=(batch, N_CONTEXT)).astype(np.float32)
        expected = trained(candidates, context)
        off = float(np.abs(exported(candidates, context) - expected).max() / max(1.0, np.abs(expected).max()))
        if off > _MOST_OFF:
            raise ExportFailed(f"{path} is {off:g} off what was trained.", hint="Try another version of torch or onnx.")
    if (n_bytes := draft.stat().st_size) > MOST_BYTES:
        raise ExportFailed(f"{path} has {n_bytes} bytes, more than {MOST_BYTES}.", hint="Train a narrower network.")
