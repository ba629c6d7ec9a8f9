from msgspec.structs import replace

from model_registry import manifest as manifests
from model_registry.advice.device import Device
from model_registry.advice.recommendation import Wish
from model_registry.advice.tier_advice import recommend_tier
from model_registry.device_class import device_class
from model_registry.manifest import Manifest
from tests.registry.manifests import VALID

MODEL = manifests.loads(VALID)  # A watch tier in int8 and a hub tier in fp32.


def hosted(name: str, wish: Wish | None = None, model: Manifest = MODEL) -> tuple[str, str | None]:
    advice = recommend_tier(model, Device.typical(device_class(name)), wish)
    return advice.tier, advice.advice.variant


def test_a_device_hosts_the_strongest_tier_up_to_its_class() -> None:
    assert [hosted(name) for name in ("watch", "phone", "hub", "upstream")] == [
        ("watch", "int8"),
        ("watch", "int8"),
        ("hub", "fp32"),
        ("hub", "fp32"),
    ]


def test_a_weaker_tier_is_tried_when_the_strongest_does_not_fit() -> None:
    assert hosted("hub", Wish(deadline_s=0.001)) == ("watch", "int8")


def test_where_nothing_fits_the_tier_that_would_have_been_hosted_is_named() -> None:
    assert hosted("hub", Wish(deadline_s=1e-6)) == ("hub", None)


def test_a_model_for_stronger_devices_only_is_weighed_with_a_caution() -> None:
    hub_only = replace(MODEL, tiers=MODEL.tiers[1:])
    advice = recommend_tier(hub_only, Device.typical(device_class("watch")))
    assert (advice.tier, advice.advice.variant, advice.advice.reasons[-1]) == (
        "hub",
        "fp32",
        "The model has no tier for a watch: it hosts the hub tier only if models.host names it.",
    )
