"""``meshd models show``: all that one model says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from meshd.cli.models.locating import NAME_OR_BUNDLE, locate
from meshd.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from meshd.cli.view.model_view import Vouched
    from model_registry.manifest import Manifest


def show(
    model: Annotated[str, NAME_OR_BUNDLE],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show one model in full: what goes in and out, variants and their costs, where it comes from, who signed it."""
    from meshd.cli import output
    from meshd.cli.view.model_view import model_view

    located = locate(model, config)
    vouched = _vouched(located.manifest, config)
    pinned = located.is_own and _is_pinned(located.manifest.name, config)
    if json:
        output.show_json(
            {"source": located.source, "signed_by": vouched, "pinned": pinned, "manifest": located.manifest}
        )
    else:
        output.show(model_view(located.manifest, located.source, vouched, pinned=pinned))


def _is_pinned(model: str, config: Path | None) -> bool:
    from meshd.config import load
    from meshd.daemon.models.preferences import Preferences

    loaded = load(config).config
    return model in Preferences(loaded.preferences_path, always_pinned=loaded.models.pinned).pinned


def _vouched(manifest: Manifest, config: Path | None) -> Vouched:
    from meshd.cli.view.model_view import Vouched
    from meshd.config import load
    from meshd.daemon.models.acceptance import BUNDLED, is_bundled
    from model_registry.errors import NotAccepted
    from model_registry.trust.publisher import Publishers

    loaded = load(config).config
    publishers = Publishers(loaded.publishers_path, loaded.models.publishers)
    bundled = is_bundled(manifest)
    try:
        if not bundled:
            publishers.accept(manifest)
    except NotAccepted as error:
        return Vouched(by=publishers.signer(manifest), accepted=False, why=error.message, hint=error.hint)
    return Vouched(by=BUNDLED if bundled else publishers.signer(manifest), accepted=True)
