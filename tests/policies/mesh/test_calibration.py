"""What is fitted to timings."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from policies.errors import TimingsUnusable
from policies.mesh.calibration import Line, calibrated, line
from policies.mesh.question import MODEL
from policies.mesh.timings import Timed, bands
from tests.core.builders import CALM, DOUBT
from tests.policies.mesh.meshes import CALM_WINDOWS, HUB, PHONE, WATCH, figures, mesh, profile, timed, timings


def test_what_timings_were_made_of_is_found_again() -> None:
    truth = mesh()
    found = calibrated(timings(truth), MODEL)
    assert figures(found) == {name: pytest.approx(row, rel=1e-3, abs=1e-9) for name, row in figures(truth).items()}
    assert (found.input_bytes, found.result_bytes, found.ratios) == (1_000, 100, {"flac": 0.25})


def test_one_pause_among_many_requests_moves_nothing() -> None:
    truth = mesh()
    plain = timings(truth)
    paused = replace(plain, alone=(*plain.alone, timed(truth, WATCH, WATCH, 1, late_s=2.0)))
    assert figures(calibrated(paused, MODEL)) == figures(calibrated(plain, MODEL))


def test_what_went_on_to_another_tier_tells_nothing_of_one() -> None:
    truth = mesh()
    plain = timings(truth)
    escalated = timed(truth, WATCH, WATCH, 1, late_s=0.1)
    (run,) = escalated.heard.runs
    climbed = replace(escalated, heard=replace(escalated.heard, runs=(run, replace(run, node=HUB))))
    assert calibrated(replace(plain, alone=plain.alone + (climbed,) * 9), MODEL) == calibrated(plain, MODEL)


def test_a_pair_of_nodes_without_an_answer_is_named_with_what_became_of_its_questions() -> None:
    plain = timings(mesh())
    with pytest.raises(
        TimingsUnusable, match=r"^The watch got no answer that the hub alone had run: deadline_exceeded"
    ):
        calibrated(replace(plain, alone=tuple(map(_unanswered_by_hub, plain.alone))), MODEL)


def _unanswered_by_hub(timed: Timed) -> Timed:
    if timed.heard.tier is not HUB:
        return timed
    return replace(timed, heard=replace(timed.heard, runs=(), code="deadline_exceeded"))


def test_a_line_goes_through_medians_and_neither_falls_nor_begins_below_nothing() -> None:
    rising = line([(1.0, 3.0), (1.0, 90.0), (1.0, 2.0), (3.0, 7.0)])
    assert (rising.at_zero, rising.slope) == pytest.approx((1.0, 2.0))
    assert line([(1.0, 3.0), (3.0, 1.0)]) == Line(2.0, 0.0)
    assert line([(1.0, 1.0), (3.0, 9.0)]).at_zero == 0.0
    assert line([(2.0, 5.0)]) == Line(5.0, 0.0)


def test_calm_windows_are_those_that_no_tier_escalates() -> None:
    by_watch = (DOUBT, *CALM_WINDOWS.scores[WATCH][1:])
    by_hub = (CALM, DOUBT, *CALM_WINDOWS.scores[HUB][2:])  # The last tier escalates nothing.
    judged = replace(CALM_WINDOWS, scores={**CALM_WINDOWS.scores, WATCH: by_watch, HUB: by_hub})
    profiles = {name: profile(name) for name in (WATCH, PHONE, HUB)}
    assert judged.calm(bands(profiles)) == list(range(1, 40))
