"""A study as one page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from pathlib import Path

from model_registry.convert.rendering import rendered
from model_registry.convert.report.drawing import standalone
from policies.study.findings import Findings
from policies.study.plots import plots


def write_page(study: Findings, path: Path) -> None:
    """Write a study as one HTML file."""
    path.write_text(page(study), encoding="utf-8")


def write_picture(study: Findings, path: Path) -> None:
    """Write the first drawing of a study as one SVG file."""
    path.write_text(standalone(plots(study)[0].svg), encoding="utf-8")


def page(study: Findings) -> str:
    """Return a study as HTML; names are text there, never markup."""
    return rendered("policies.study", study=study, plots=plots(study))
