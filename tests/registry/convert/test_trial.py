"""A candidate that loads but answers wrongly is found out before anybody trusts its figures."""

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from onnx import TensorProto, helper  # noqa: E402

from model_registry.convert.errors import NotApplicable  # noqa: E402
from model_registry.convert.trial import Trial, side_by_side  # noqa: E402
from model_registry.tensor import DType, Tensor  # noqa: E402
from tests.registry.convert.models import built  # noqa: E402

NEGATIVE = {"x": -np.ones((2, 3), np.float32)}


def trial(operator: str, *shape: int | str, dtype: DType = "float32") -> Trial:
    model: Any = built(
        [helper.make_node(operator, ["x"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, ["n", 3])},
        outputs={"y": (TensorProto.FLOAT, ["n", 3])},
    )
    return Trial(model.SerializeToString(), "onnx", (Tensor(name="y", dtype=dtype, shape=shape),))


def test_a_run_gives_the_outputs_by_name() -> None:
    assert trial("Neg", "batch", 3).run(NEGATIVE)["y"].tolist() == [[1.0] * 3] * 2


def test_numbers_that_are_none_are_no_answer() -> None:
    with pytest.raises(NotApplicable, match=r"came out broken: 'y' has values that are no numbers"):
        trial("Sqrt", "batch", 3).run(NEGATIVE)


@pytest.mark.parametrize(
    ("shape", "dtype"), [(("batch", 4), "float32"), (("batch",), "float32"), (("batch", 3), "int8")]
)
def test_another_form_than_the_parents_is_no_answer(shape: tuple[int | str, ...], dtype: DType) -> None:
    with pytest.raises(NotApplicable, match=r"came out different: 'y' is float32\[2, 3\]"):
        trial("Neg", *shape, dtype=dtype).run(NEGATIVE)


def test_bytes_that_are_no_model_are_unusable() -> None:
    with pytest.raises(NotApplicable, match="came out unusable"):
        Trial(b"no model", "onnx", ())


def test_models_timed_side_by_side_each_have_a_median_and_a_slowest_hundredth() -> None:
    one, other = side_by_side([trial("Neg", "batch", 3)] * 2, [NEGATIVE] * 2, seconds_each=0.0)
    assert 0 < one.p50_ms <= one.p99_ms
    assert 0 < other.p50_ms <= other.p99_ms
