"""Pages that need nothing else: no script, no font, no request; all of them in one style."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

_STYLED_LIKE = "model_registry.convert.report"
"""Whose style sheet they bear."""


def rendered(package: str, **told: object) -> str:
    """Return ``page.html`` of a package as HTML; texts that are told stay text there, never markup."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(_STYLED_LIKE, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page: str = environment.get_template("page.html").render(told)
    return page
