"""``meshd models verify``: reads again what the daemon's node has on its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meshd.cli.connecting import connect
from meshd.cli.exits import Exit
from meshd.cli.options import EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from meshd.documents import Finding


def verify(
    model: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this model; all unless named.")] = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Read the models on this node's disk again, mend what is damaged, and restore what is in quarantine.

    What is needed for that comes from peers. It goes as slowly as the daemon's own rounds: no request is disturbed.
    """
    from meshd.cli.output import show_json
    from meshd.cli.view.words import duration, size

    with connect(endpoint, token) as mesh:
        document = mesh.verify_models(model)
    if json:
        show_json(document)
    else:
        artifacts = "artifact" if document.artifacts == 1 else "artifacts"
        read = f"{document.artifacts} {artifacts} ({size(document.n_bytes)}) read in {duration(document.took_s)}"
        print(f"{read}: {'not everything was sound' if document.findings else 'nothing is damaged'}.")
        for finding in document.findings:
            print(_sentence(finding))
    if any(finding.outcome == "quarantined" for finding in document.findings):
        raise typer.Exit(Exit.UNHEALTHY)


def _sentence(finding: Finding) -> str:
    name = f"{finding.model}/{finding.tier}/{finding.variant}"
    match finding.outcome:
        case "mended":
            return f"{name}: {finding.damaged_pieces} of {finding.pieces} pieces were damaged and came from peers."
        case "restored":
            return f"{name}: out of quarantine again, with a new copy from peers."
        case "quarantined":
            serving = ", ".join(finding.serving) or "nothing"
            return f"{name}: in quarantine, {serving} serves in its place: {finding.reason}"
        case _:
            return f"{name}: {finding.outcome}. {finding.reason}".rstrip()
