"""Real daemons are timed, asked, and held against the simulator: that all of it works, not how exact it is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshd.core.policy import LeastExpectedCost
from policies.calibrate import foretold
from policies.mesh.calibration import calibrated
from policies.mesh.daemons import MODEL, Tell
from policies.mesh.form import Form
from policies.mesh.match import Terms, play_match
from policies.mesh.question import HOUSEHOLD
from policies.mesh.recording import Wishes, read, record, save
from policies.scenario import draw

pytestmark = pytest.mark.slow

FEW = Wishes(repeats=1, lasts_s=2.0, n_windows=24)


def _quiet(_stage: str) -> Tell:
    return lambda _n_asked, _n_all: None


async def test_a_mesh_is_recorded_fitted_and_foretold(tmp_path: Path) -> None:
    recording = await record(Form(), FEW, _quiet, tmp_path / "state")
    save(recording, tmp_path / "recording.json")
    assert read(tmp_path / "recording.json") == recording
    calibration = calibrated(recording.timings, MODEL)
    delays_s = {(link.sender, link.receiver): link.delay_s for link in calibration.links}
    for shape in Form().shapes:
        one, other = shape.between
        # What is shaped is the least that a link takes.
        assert min(delays_s[one, other], delays_s[other, one]) > 0.9 * shape.delay_s
    comparison = foretold(recording, calibration)
    assert comparison.n_asked == len(recording.load) == len(comparison.pairs)
    assert set(comparison.nodes) == {name.value for name in HOUSEHOLD}


async def test_two_households_replay_the_same_load_in_turns() -> None:
    terms = Terms(
        policies=(LeastExpectedCost.name, LeastExpectedCost.name), speed_up=10.0, lasts_s=2.0, rounds=1, wishes=FEW
    )
    match = await play_match(draw("home", 3), terms, _quiet)
    assert (match.n_rounds, match.n_requests > 0) == (1, True)
    assert (match.simulated_gain.mean, match.ours.simulated_cost) == (0.0, match.theirs.simulated_cost)
    assert (match.ours.missed, match.theirs.missed) == (0.0, 0.0)
    assert match.ours.choices.guarded == {}
