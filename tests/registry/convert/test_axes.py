"""Dynamic axes have names and bounds before anything else happens."""

import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.axes import axis_names, bounded, item_extents, parse_axis, trials
from model_registry.convert.errors import ModelRefused
from model_registry.runtime.session import GraphTensor
from model_registry.tensor import Axis


def tensor(*shape: int | str | None) -> GraphTensor:
    return GraphTensor(name="Input.1", dtype="float32", shape=shape)


@pytest.mark.parametrize(
    ("option", "axis"),
    [("batch=1..64", Axis(min=1, max=64)), ("batch=8", Axis(min=1, max=8)), ("batch=4..4", Axis(min=4, max=4))],
)
def test_an_axis_is_written_with_its_bounds(option: str, axis: Axis) -> None:
    assert parse_axis(option) == ("batch", axis)


@pytest.mark.parametrize(
    "option", ["batch", "batch=", "batch=0", "batch=9..8", "Batch=1..2", "batch=1-2", "batch=1..2..3"]
)
def test_an_axis_without_an_extent_is_refused(option: str) -> None:
    with pytest.raises(ModelRefused, match="--axis"):
        parse_axis(option)


def test_the_leading_dynamic_axis_is_the_batch_and_others_keep_a_plain_form_of_their_name() -> None:
    assert axis_names(tensor("N", 3, "Seq Len", None), {}) == ("batch", 3, "seq_len", "input_1_3")


def test_a_leading_axis_that_the_user_names_is_no_batch() -> None:
    assert axis_names(tensor("tokens", 8), {"tokens": Axis(max=9)}) == ("tokens", 8)


def test_a_batch_has_default_bounds_and_no_other_axis_has() -> None:
    assert bounded({"x": ("batch", 3)}, {}) == {"batch": Axis(min=1, max=64)}
    with pytest.raises(ModelRefused) as refused:
        bounded({"x": ("batch", "time"), "y": ("batch", "time", "width")}, {})
    assert refused.value.message == "These axes may be of any length: 'time' of input 'x', 'width' of input 'y'."
    assert refused.value.hint == "Bound them, such as: --axis time=1..128 --axis width=1..128"


def test_bounds_for_an_axis_that_is_not_there_are_a_mistake() -> None:
    with pytest.raises(ModelRefused, match=r"No input has a dynamic axis 'tim'\. Did you mean 'time'"):
        bounded({"x": ("time",)}, {"time": Axis(max=3), "tim": Axis(max=3)})


def test_one_item_has_the_fewest_in_its_batch_and_the_most_elsewhere() -> None:
    assert item_extents({"batch": Axis(min=2, max=64), "time": Axis(max=9)}) == {"batch": 2, "time": 9}


@pytest.mark.parametrize("most", range(2, 12))
def test_an_axis_that_may_change_does_so_between_trials_however_few_lengths_it_has(most: int) -> None:
    axes = {"batch": Axis(min=1, max=most), "time": Axis(min=3, max=most + 2)}
    tried = list(trials(axes))
    for name, axis in axes.items():
        lengths = {extents[name] for extents in tried}
        assert len(lengths) > 1
        assert all(axis.min <= length <= axis.max for length in lengths)
    assert any(extents["batch"] != extents["time"] for extents in tried)


def test_an_axis_of_one_length_keeps_it() -> None:
    assert list(trials({"batch": Axis(min=4, max=4)})) == [{"batch": 4}] * 3
