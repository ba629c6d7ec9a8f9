"""How trials of new models, which take long, are kept from delaying a node's start."""

from pathlib import Path

import msgspec
import pytest

from meshd.config import Config
from meshd.daemon.models import hosting
from meshd.daemon.models.keeper import Keeper
from meshd.executor.executor import Executor
from model_registry.store import ModelStore
from tests.daemon.mesh import Said
from tests.daemon.toys import lay_bundle
from tests.executor.artifacts import AdmitsAll


def keeper_of(folder: Path, admission: AdmitsAll) -> tuple[Keeper, Executor]:
    lay_bundle(folder / "bundles")
    node = {"name": "watch", "device_class": "watch", "state_dir": str(folder)}
    tables = {"node": node, "models": {"dir": str(folder / "bundles")}}
    config = msgspec.convert(tables, Config, dec_hook=lambda kind, text: kind(text))
    store = ModelStore(folder / "models")
    executor = Executor(store, slots=1, memory_budget_bytes=2**30, admission=admission, profiles=Said())
    return Keeper(config, store, executor), executor


async def test_what_takes_too_long_is_left_for_later_and_then_hosted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "OPENING_S", -1.0)
    keeper, executor = keeper_of(tmp_path, AdmitsAll(known=False))
    keeper.open()
    assert executor.hosted_tiers() == ()
    assert [p.sentence for p in keeper.problems] == ["Model 'toy' is still to be tried on this node."]
    await keeper.hosting.catch_up()
    assert [tier.model for tier in executor.hosted_tiers()] == ["toy"]
    assert keeper.problems == []
    await keeper.close()
    executor.close()


async def test_what_was_tried_before_is_hosted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "OPENING_S", -1.0)
    keeper, executor = keeper_of(tmp_path, AdmitsAll())
    keeper.open()
    assert [tier.model for tier in executor.hosted_tiers()] == ["toy"]
    await keeper.close()
    executor.close()
