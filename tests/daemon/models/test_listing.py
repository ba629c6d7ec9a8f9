"""What the list of models says of a variant's quality."""

from typing import Any

import pytest
from msgspec.structs import replace

from model_registry.manifest import Manifest
from model_registry.measured import Evaluation
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey
from tests.daemon.conftest import MakeMember
from tests.daemon.models.family import Family, family
from tests.daemon.models.test_distribution import keep, trusting

pytestmark = pytest.mark.usefixtures("checks_in_process")

AGREEMENT = Evaluation(dataset="noise", dataset_sha256="ab" * 32, items=32, reference="parent")
TRUTH = replace(AGREEMENT, dataset="held out", reference="labels")


def measured(form: Manifest, **changes: Any) -> Manifest:
    tiers = (replace(tier, variants=tuple(replace(v, **changes) for v in tier.variants)) for tier in form.tiers)
    return replace(form, tiers=tuple(tiers))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"accuracy": {"balanced_accuracy": 0.875}, "evaluation": TRUTH}, 0.875),
        ({"accuracy": {"balanced_accuracy": 0.875}}, 0.875),
        ({"accuracy": {"cosine": 1.0}, "evaluation": AGREEMENT}, None),
        ({"accuracy": {}}, None),
    ],
    ids=["against-labels", "as-claimed", "against-a-parent", "unmeasured"],
)
async def test_agreement_with_a_parent_is_no_accuracy(
    member: MakeMember, publisher: SigningKey, changes: dict[str, Any], told: float | None
) -> None:
    made = family()
    hub = member("hub", bare=True, models=trusting(publisher))
    await keep(hub, Family(manifest=signed(measured(made.manifest, **changes), publisher), contents=made.contents))
    [model] = (await hub.client().query("models"))["models"]
    assert {tier["accuracy"] for tier in model["tiers"]} == {told}
