"""The freight is a model like any other, and every figure of its travels is measured."""

from pathlib import Path

import pytest

from meshd.bench.distribution import FREIGHT, lay_freight, measure_distribution
from model_registry import manifest as manifests
from model_registry.pieces import PieceMap
from model_registry.runtime.session import open_session
from model_registry.trust.signature import verify
from model_registry.trust.signing_key import SigningKey


def test_the_freight_is_a_signed_model_of_the_size_asked_for_that_loads(tmp_path: Path) -> None:
    bundle = lay_freight(tmp_path / "freight", SigningKey.create(tmp_path / "key.pem"), size_bytes=2**20)
    manifest = manifests.load(bundle / "manifest.toml")
    verify(manifest)
    [(tier, variant)] = manifest.variants()
    content = (bundle / variant.file).read_bytes()
    assert (manifest.name, tier.name, variant.pieces) == (FREIGHT, "phone", PieceMap.of(content).root)
    assert 2**20 - 16 < len(content) == variant.size_bytes <= 2**20
    assert [tensor.name for tensor in open_session(content).outputs] == [tensor.name for tensor in tier.outputs]


@pytest.mark.slow
async def test_every_figure_is_measured() -> None:
    found = await measure_distribution(rounds=1, size_bytes=4 * 2**20)
    assert (found.size_bytes, found.rounds) == (4 * 2**20, 1)
    assert min(found.fetch_bps, found.fetching_p99_ratio, found.lending_p99_ratio, found.calls) > 0
