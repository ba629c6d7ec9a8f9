"""Real daemons are timed, asked, and held against the simulator: that all of it works, not how exact it is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshd.core.policy import LeastExpectedCost
from policies.calibrate import foretold
from policies.mesh.calibration import calibrated
from policies.mesh.daemons import Tell
from policies.mesh.form import Form
from policies.mesh.match import Terms, play_match
from policies.mesh.question import MODEL
from policies.mesh.recording import Wishes, read, record, save
from policies.scenario import Split, draw

pytestmark = pytest.mark.slow

FEW = Wishes(repeats=1, lasts_s=2.0, n_windows=24)


def _quiet(_stage: str) -> Tell:
    return lambda _n_asked, _n_all: None


async def test_a_mesh_is_recorded_fitted_and_foretold(tmp_path: Path) -> None:
    recording = await record(Form(), FEW, _quiet, tmp_path / "state")
    save(recording, tmp_path / "recording.json")
    assert read(tmp_path / "recording.json") == recording
    delays_s = {frozenset(shape.between): shape.delay_s for shape in Form().shapes}
    ways = [
        (frozenset((timed.question.node, timed.heard.runs[-1].node)), timed.heard.seconds)
        for timed in recording.timings.alone
    ]
    assert delays_s.keys() <= {way for way, _ in ways}
    # What is shaped is the least that a link takes, out and back.
    assert all(seconds > 2.0 * delays_s[way] for way, seconds in ways if way in delays_s)
    comparison = foretold(recording, calibrated(recording.timings, MODEL))
    n_missed = comparison.n_missed + comparison.n_missed_in_simulator
    assert comparison.n_asked == len(recording.load)
    assert comparison.n_asked - n_missed <= len(comparison.pairs) <= comparison.n_asked


async def test_two_households_replay_the_same_load_in_turns() -> None:
    terms = Terms(
        policies=(LeastExpectedCost.name, LeastExpectedCost.name), speed_up=4.0, lasts_s=4.0, rounds=1, wishes=FEW
    )
    match = await play_match(draw("home", 0, split=Split.TEST), terms, _quiet)
    assert (match.n_rounds, match.n_requests > 0) == (1, True)
    assert (match.simulated_gain.mean, match.ours.simulated_cost) == (0.0, match.theirs.simulated_cost)
    assert match.ours.choices.guarded == {}
