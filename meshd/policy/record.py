"""What is known of a policy's network: the table beside its file, ``policy.toml`` beside ``policy.onnx``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import tomli_w
from msgspec import Meta, Struct

from meshd.errors import PolicyUnusable
from meshd.policy.layout import CANDIDATE, CONTEXT, Feature, layout_hash
from model_registry import small_file
from model_registry.small_file import read_toml

_MOST_BYTES = 4_000_000
"""Twenty times what a policy may have: whatever is larger is something else."""

EXPORT_AGAIN = "Export the policy again with this version, or configure another."
_LOOK_AT_IT = "Look at scheduler.policy; least-expected-cost needs no file."

Share = Annotated[float, Meta(ge=0.0, le=1e9)]
Figure = Annotated[float, Meta(ge=-1e9, le=1e9)]
"""Bounds keep out NaN and infinity: held against either, everything would pass the guard, or nothing."""
Ranges = dict[str, tuple[Figure, Figure]]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beyond what a guard no longer lets the policy choose."""

    relative: Share = 1.0
    """How much more than the heuristic's choice a choice may be predicted to cost, as a share of it, ..."""
    absolute_joules: Share = 0.1
    """... and beyond that: what hardly costs anything may cost a few times as much."""
    tolerance: Share = 0.25
    """How far a figure may lie outside the range that training saw: so many times its width, or 1 if that is more."""


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One policy."""

    format: Literal[1] = 1
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w.-]+\Z")]
    layout: str
    """Hash of the table of features that it was trained on."""
    sha256: str
    """Of the network's file."""
    training: dict[str, str | int | float] = {}
    """How it came about, for a person."""
    limits: Limits = Limits()
    candidate: Ranges
    """What training saw of each feature of what might be chosen: least and most, bent and clipped as it was."""
    context: Ranges
    """The same of each decision as a whole."""

    @classmethod
    def of(
        cls,
        network: bytes,
        *,
        name: str,
        low: Sequence[float],
        high: Sequence[float],
        training: Mapping[str, str | int | float],
        limits: Limits | None = None,
    ) -> Self:
        """Return the record of a network that was just trained on this table; columns of candidates come first."""
        n_candidate = len(CANDIDATE)
        return cls(
            name=name,
            layout=layout_hash(),
            sha256=sha256(network).hexdigest(),
            training=dict(training),
            limits=limits or Limits(),
            candidate=_ranges(CANDIDATE, low[:n_candidate], high[:n_candidate]),
            context=_ranges(CONTEXT, low[n_candidate:], high[n_candidate:]),
        )

    def save(self, network: bytes, path: Path) -> None:
        """Write both files, ``path`` being the network's."""
        path.write_bytes(network)
        path.with_suffix(".toml").write_text(tomli_w.dumps(msgspec.to_builtins(self)), encoding="utf-8")


def read(path: Path) -> tuple[Record, bytes]:
    """Return a policy's record and network, which belong to each other and to this meshd.

    Raises:
        PolicyUnusable: a file is missing or says something else.
    """
    record = _record(path.with_suffix(".toml"))
    network = _network(path)
    if record.layout != layout_hash():
        raise PolicyUnusable(f"{path} was trained on other features than this meshd computes.", hint=EXPORT_AGAIN)
    if sha256(network).hexdigest() != record.sha256:
        message = f"{path} is not the file that {path.stem}.toml describes: they are of two exports, or one is broken."
        raise PolicyUnusable(message, hint="Copy both files again, or export the policy again.")
    for table, ranges in ((CANDIDATE, record.candidate), (CONTEXT, record.context)):
        if missing := {feature.name for feature in table} ^ ranges.keys():
            raise PolicyUnusable(f"{path.stem}.toml and this meshd disagree about {min(missing)}.", hint=EXPORT_AGAIN)
    return record, network


def _record(path: Path) -> Record:
    try:
        return read_toml(path, Record)
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise PolicyUnusable(f"{path} is no record of a policy: {error}.", hint=EXPORT_AGAIN) from error


def _network(path: Path) -> bytes:
    try:
        return small_file.read(path, most_bytes=_MOST_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> PolicyUnusable:
    return PolicyUnusable(f"{path} cannot be read: {error.strerror}.", hint=_LOOK_AT_IT)


def _ranges(table: Sequence[Feature], low: Sequence[float], high: Sequence[float]) -> Ranges:
    return {feature.name: (least, most) for feature, least, most in zip(table, low, high, strict=True)}
