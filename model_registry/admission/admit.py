"""Decides whether a model may be hosted here, by trying it."""

from __future__ import annotations

from threading import Event

from model_registry.admission import refusals
from model_registry.admission.admitted import Admitted, Limits
from model_registry.admission.report import Order
from model_registry.admission.trial_process import TrialProcess
from model_registry.errors import Refused
from model_registry.manifest import Manifest
from model_registry.tier import Tier, Variant


def admit(
    content: bytes, manifest: Manifest, tier: Tier, variant: Variant, limits: Limits, *, called_off: Event | None = None
) -> Admitted:
    """Try a model in a process of its own, at the smallest and the largest input that its manifest allows. Blocks.

    Setting `called_off` ends the trial within a moment.

    Raises:
        Refused: it broke a limit, or could not be tried; whatever it did, it did to that process.
    """
    order = Order(manifest=manifest, tier=tier, variant=variant, limits=limits)
    try:
        with TrialProcess(order, content, called_off or Event()) as process:
            return process.verdict()
    except Refused as refused:
        message = f"{manifest.name}/{tier.name}/{variant.name} is not admitted ({refused.limit}): {refused.message}"
        raise Refused(refused.limit, message, hint=refused.hint) from refused
    except OSError as error:
        raise refusals.not_tried(f"{manifest.name}/{tier.name}/{variant.name} could not be tried: {error}.") from error
