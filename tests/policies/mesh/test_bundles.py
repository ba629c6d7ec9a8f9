"""What daemons are given to host in a replay."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="stand-ins need the `train` extra")

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.runtime.session import open_session
from policies.mesh.ballast import Trips, ballast, trips
from policies.mesh.bundles import write_bundles
from policies.mesh.question import HOUSEHOLD, MODEL
from policies.mesh.stand_in import INPUT, OUTPUT
from tests.policies.mesh.meshes import HUB, PHONE
from tests.policies.mesh.pictures import PICTURE, picture


def test_each_node_finds_all_models_and_the_file_that_is_sized_for_it_first(tmp_path: Path) -> None:
    write_bundles([picture()], tmp_path)
    folders = {name: tmp_path / name for name in HOUSEHOLD}
    known = {name: {path.parent.name for path in folder.glob(f"*/{MANIFEST}")} for name, folder in folders.items()}
    assert list(known.values()) == [{MODEL, PICTURE}] * len(HOUSEHOLD)
    found = {name: manifests.load(folder / PICTURE / MANIFEST) for name, folder in folders.items()}
    hubs, phones = (found[name].tiers[0].variants for name in (HUB, PHONE))
    assert [variant.name for variant in hubs] == ["hub", "phone"]
    assert phones == hubs[::-1]
    for variant in hubs:
        content = (folders[HUB] / PICTURE / variant.file).read_bytes()
        assert (sha256(content).hexdigest(), len(content)) == (variant.artifact, variant.size_bytes)


def test_an_answer_does_not_depend_on_who_else_is_in_the_batch() -> None:
    session = open_session(ballast(picture().tensor, 3, Trips(once=2, each=3)))
    items = np.concatenate((picture().item, 255 - picture().item))
    (together,) = session.run([OUTPUT], {INPUT: items})
    (alone,) = session.run([OUTPUT], {INPUT: items[1:]})
    assert together.shape == (2, 3)
    assert together[1] == pytest.approx(alone[0], rel=1e-4)
    assert np.isfinite(together).all()


def test_a_further_item_takes_its_share_of_the_trips_and_no_network_takes_none() -> None:
    assert trips(picture(), 0.1, 1e-3) == Trips(once=50, each=50)
    assert trips(picture(), 1e-9, 1e-3) == Trips(once=0, each=1)
