"""Who makes room in memory, and who stays."""

from __future__ import annotations

from typing import cast

import pytest
from typing_extensions import override

from meshd.executor.input_contract import InputContract
from meshd.executor.memory_budget import MemoryBudget
from meshd.executor.output_contract import OutputContract
from meshd.executor.resident import Resident
from meshd.executor.tensor_rule import Extents
from meshd.host import memory
from model_registry.runtime.session import Session

KB, MB = 10**3, 10**6
NO_INPUTS, NO_OUTPUTS = cast("InputContract", None), cast("OutputContract", None)
SESSION = cast("Session", object())


class Model(Resident):
    """So many bytes that take so long to load."""

    def __init__(self, name: str, n_bytes: int, load_s: float) -> None:
        super().__init__(NO_INPUTS, NO_OUTPUTS, memory_bytes=n_bytes)
        self.name = name
        self.takes_s = load_s

    @property
    @override
    def compute_s(self) -> float:
        return 0.0

    @property
    @override
    def file_bytes(self) -> int:
        return self.memory_bytes

    @override
    def opened(self, content: bytes, *, threads: int) -> Session:
        return SESSION

    @override
    def open(self, content: bytes, *, threads: int) -> Session:
        return SESSION

    @override
    def work_of(self, extents: Extents, items: int) -> float:
        return items

    @override
    def learn(self, compute_s: float, *, work: float, now_s: float) -> None:
        pass


class Household:
    """A budget with its models, and the ways to use them."""

    def __init__(self, limit_bytes: int, *models: Model) -> None:
        self.budget = MemoryBudget(limit_bytes, lambda: models, threads=1)
        self._models = {model.name: model for model in models}
        for model in models:
            self.use(model.name)

    def use(self, *names: str) -> set[str]:
        """Run these, one after the other; return what is in memory then."""
        for name in names:
            model = self._models[name]
            self.budget.load(model, lambda: b"")
            model.load_s = model.takes_s
            self.budget.used(model)
        return {name for name, model in self._models.items() if model.session is not None}


@pytest.fixture(autouse=True)
def _steady_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "private_bytes", lambda: 0)


def test_a_small_model_that_is_used_stays_beside_large_ones_that_come_and_go() -> None:
    ecg, head, tail = Model("ecg", 25 * KB, 0.03), Model("head", 4 * MB, 0.1), Model("tail", 4 * MB, 0.1)
    home = Household(5 * MB, ecg, head, tail)
    for _ in range(20):
        assert home.use("head") == {"ecg", "head"}
        assert home.use("tail") == {"ecg", "tail"}


def test_of_models_alike_the_one_unused_for_longest_goes() -> None:
    home = Household(10 * MB, *(Model(name, 4 * MB, 0.1) for name in ("watch", "phone", "hub")))
    assert home.use() == {"phone", "hub"}
    assert home.use("phone", "watch") == {"phone", "watch"}


def test_what_takes_longer_to_load_stays_beside_what_is_as_large() -> None:
    home = Household(8 * MB, Model("slow", 4 * MB, 1.0), Model("one", 4 * MB, 0.1), Model("other", 4 * MB, 0.1))
    assert home.use("one", "other") == {"slow", "other"}


def test_what_is_used_no_more_goes_in_the_end_however_long_it_takes_to_load() -> None:
    home = Household(8 * MB, Model("slow", 4 * MB, 1.0), Model("one", 4 * MB, 0.1), Model("other", 4 * MB, 0.1))
    held = [home.use("one", "other") for _ in range(20)]
    assert held[-1] == {"one", "other"}
    assert sum("slow" in names for names in held) in range(3, 10)  # It rises a tenth with each that has to go.
