import pytest

from model_registry.admission.admit import admit
from model_registry.errors import Refused
from tests.executor.graphs import manifest_of
from tests.registry.admission.hostile import LIMITS, Hostile, corpus

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("hostile", list(corpus()), ids=lambda hostile: hostile.name)
def test_a_hostile_model_is_refused_by_the_limit_that_it_breaks(hostile: Hostile) -> None:
    content = hostile.build()
    manifest = manifest_of(content)
    tier = manifest.tiers[0]
    with pytest.raises(Refused) as refused:
        admit(content, manifest, tier, tier.variants[0], LIMITS)
    assert refused.value.limit == hostile.limit, str(refused.value)
    assert refused.value.message.startswith(f"toy/watch/toy-fp32 is not admitted ({hostile.limit}): ")
    assert refused.value.hint
