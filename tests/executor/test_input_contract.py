import numpy as np
import pytest

from meshd.errors import InvalidInput
from meshd.executor.input_contract import InputContract
from model_registry.manifest import Manifest
from model_registry.tensor import Axis, Tensor
from tests.executor.graphs import manifest_of, mean_model

DESCRIPTION = "Model 'toy' takes int16[batch=1..4, 16] 'ecg', float32[batch=1..4] 'age'."


@pytest.fixture
def contract() -> InputContract:
    toy = manifest_of(mean_model())
    return InputContract(
        Manifest(
            **{name: getattr(toy, name) for name in toy.__struct_fields__ if name not in ("inputs", "axes")},
            axes={"batch": Axis(min=1, max=4)},
            inputs=(
                Tensor(name="ecg", dtype="int16", shape=("batch", 16)),
                Tensor(name="age", dtype="float32", shape=("batch",)),
            ),
        )
    )


def ecg(batch: int = 2, samples: int = 16) -> np.ndarray:
    return np.zeros((batch, samples), np.int16)


def age(batch: int = 2) -> np.ndarray:
    return np.zeros(batch, np.float32)


def test_inputs_that_fit_give_their_number_of_items(contract: InputContract) -> None:
    assert contract.check({"age": age(3), "ecg": ecg(3)}) == 3


def test_the_extents_of_checked_inputs_are_known_by_axis(contract: InputContract) -> None:
    assert contract.extents({"age": age(3), "ecg": ecg(3)}) == {"batch": 3}


def test_the_smallest_inputs_keep_the_contract(contract: InputContract) -> None:
    assert contract.check(contract.smallest()) == 1


def with_value(value: float) -> np.ndarray:
    ages = age()
    ages[1] = value
    return ages


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"ecg": ecg()}, "Input 'age' of model 'toy' is missing."),
        ({"ekg": ecg(), "age": age()}, "Model 'toy' has no input 'ekg'. Did you mean 'ecg'?"),
        ({"ecg": ecg(), "age": age(), "sex": age()}, "Model 'toy' has no input 'sex'."),
        ({"ecg": ecg().astype(np.float32), "age": age()}, "Input 'ecg' is float32 and must be int16."),
        ({"ecg": ecg().astype(">i2"), "age": age()}, "Input 'ecg' is >i2 and must be int16."),
        (
            {"ecg": ecg()[0], "age": age()},
            "Input 'ecg' has 1 axes, shape (16,), and must have 2.",
        ),
        ({"ecg": ecg(samples=15), "age": age()}, "Input 'ecg' has 15 elements on axis 1 and must have 16."),
        (
            {"ecg": ecg(batch=5), "age": age(batch=5)},
            "Input 'ecg' has 5 elements on axis 0 and must have 1 to 4 ('batch').",
        ),
        (
            {"ecg": ecg(batch=0), "age": age(batch=0)},
            "Input 'ecg' has 0 elements on axis 0 and must have 1 to 4 ('batch').",
        ),
        (
            {"ecg": ecg(batch=2), "age": age(batch=3)},
            "Input 'age' has 3 elements on axis 0 and must have 2, like the other tensors with axis 'batch'.",
        ),
        ({"ecg": ecg(), "age": with_value(np.nan)}, "Input 'age' holds 1 NaN; every element must be finite."),
        (
            {"ecg": ecg(), "age": with_value(-np.inf)},
            "Input 'age' holds 1 infinite values; every element must be finite.",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_wrong_input_is_refused_with_what_came_and_what_was_expected(
    contract: InputContract, inputs: dict[str, np.ndarray], sentence: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        contract.check(inputs)
    assert str(caught.value).startswith(sentence)
    assert DESCRIPTION.removeprefix("Model 'toy' takes ") in caught.value.hint
