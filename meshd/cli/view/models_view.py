"""``meshd models`` for a person."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from meshd.cli.view.arrivals_view import arrival_lines
from meshd.cli.view.columns import columns
from meshd.cli.view.words import NOTHING, duration, percent, size
from meshd.documents import CalibratedBound, Model, ModelsDocument, ModelTier


def models_view(document: ModelsDocument) -> RenderableType:
    """Return one row for each tier of each model."""
    arriving = tuple(arrival_lines(document.arriving))
    if not document.models:
        told = "No node of the mesh hosts a model. `meshd config show` tells where this one looks for them."
        return Group(Text(told), *arriving)
    table = columns(
        *("model", "tier", "variant", "size", "accuracy", "passes on", "missed", "hosts"),
        right=("size", "accuracy", "passes on"),
        wrapping=("hosts",),
    )
    for model in document.models:
        if not model.tiers:
            table.add_row(model.name, *[NOTHING] * 6, _state(model), end_section=True)
        for index, tier in enumerate(model.tiers):
            table.add_row(*_row(model, tier, first=index == 0), end_section=tier is model.tiers[-1])
    return Group(
        table,
        Text("\n" + "\n".join(_origin(model) for model in document.models)),
        *arriving,
        Text(
            "\nmissed: bound on anomalies neither told nor passed on (its confidence); hosts in bold have it warm",
            "dim",
        ),
    )


def _origin(model: Model) -> str:
    here = f", {_state(model)} here" if model.unserved else ""
    return f"{model.name} {model.version}: {vouched(model.signed_by)}{', pinned' if model.pinned else ''}{here}"


def _state(model: Model) -> str:
    return model.unserved.state if model.unserved else NOTHING


def vouched(signed_by: str | None) -> str:
    """Tell who stands behind a model."""
    match signed_by:
        case None:
            return "its manifest is not at hand here"
        case "bundled":
            return "came with meshd"
        case "unsigned":
            return "unsigned"
        case _:
            return f"signed by {signed_by}"


def _row(model: Model, tier: ModelTier, *, first: bool) -> tuple[str | Text, ...]:
    return (
        model.name if first else "",
        str(tier.tier),
        tier.variant,
        size(tier.size_bytes),
        percent(tier.accuracy),
        percent(tier.escalation_rate) if tier.bound or tier.escalation_rate else NOTHING,
        _bound(tier.bound),
        _hosts(tier),
    )


def _bound(bound: CalibratedBound | None) -> str:
    return NOTHING if bound is None else f"≤ {bound.missed:.0%} ({bound.confidence:.0%})"


def _hosts(tier: ModelTier) -> Text:
    hosts = Text()
    for host in tier.hosts:
        separator = ", " if hosts else ""
        hosts.append(separator).append(host.node, "bold" if host.warm else "").append(f" {duration(host.compute_s)}")
    return hosts or Text(NOTHING)
