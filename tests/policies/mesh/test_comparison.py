"""What is told of a simulator's errors."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from meshd.core.node import DeviceClass
from policies.calibrate import main
from policies.mesh.comparison import Comparison, Row, compared
from policies.mesh.question import Heard, Question, Run
from policies.mesh.recording import Recording, save
from policies.mesh.report import comparison_tables, draw, write_json
from policies.simulator import Ended
from tests.policies.mesh.meshes import HUB, WATCH, mesh, profile, timings


def _heard(number: int, seconds: float, *nodes: DeviceClass) -> Heard:
    runs = tuple(Run(node=node, compute_s=0.001, items=1, codec="raw", score=0.1) for node in nodes)
    return Heard(number=number, sent_s=0.0, seconds=seconds, runs=runs, code="" if runs else "deadline")


def _ended(number: int, seconds: float, tier: DeviceClass | None) -> Ended:
    node_id = profile(WATCH).node_id
    return Ended(at_s=seconds, node_id=node_id, request=number, seconds=seconds, cost=0.0, tier=tier)


@pytest.fixture
def comparison() -> Comparison:
    load = [Question(at_s=0.0, node=WATCH, window=0) for _ in range(5)]
    heard = [
        _heard(0, 0.010, WATCH),
        _heard(1, 0.020, WATCH),
        _heard(2, 0.100, WATCH, HUB),
        _heard(3, 1.000),
        _heard(4, 0.010, WATCH),
    ]
    foretold = [(0.011, WATCH), (0.020, HUB), (0.050, HUB), (0.010, WATCH), (1.0, None)]
    return compared(load, heard, [_ended(number, *one) for number, one in enumerate(foretold)])


def test_errors_are_shares_of_what_the_mesh_took_and_only_what_both_answered_counts(comparison: Comparison) -> None:
    assert (comparison.n_asked, comparison.n_missed, comparison.n_missed_in_simulator) == (5, 1, 1)
    assert [pair.error for pair in comparison.pairs] == pytest.approx([0.1, 0.0, 0.5])
    assert comparison.overall == Row(
        n_requests=3,
        median_error=0.1,
        same_tier=0.6667,
        real_p50_ms=20.0,
        simulated_p50_ms=20.0,
        real_p90_ms=84.0,
        simulated_p90_ms=44.0,
    )
    assert {name: row.n_requests for name, row in comparison.routes.items()} == {
        "watch: watch": 2,
        "watch: watch > hub": 1,
    }
    assert {name: row.median_error for name, row in comparison.tiers.items()} == {"watch": 0.05, "hub": 0.5}


def test_a_load_of_which_nothing_was_answered_is_told_in_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    load = tuple(Question(at_s=float(number), node=WATCH, window=0) for number in range(3))
    heard = tuple(_heard(number, 1.0) for number in range(3))
    save(Recording(timings=timings(mesh()), load=load, heard=heard), tmp_path / "recording.json")
    options = ["--recording", str(tmp_path / "recording.json"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["calibrate", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    message, hint = capfd.readouterr().err.splitlines()
    assert ended.value.code == 1
    assert message == "Of 3 requests that were held out none was answered by the daemons and the simulator both."
    assert hint.startswith("Give a longer load with --seconds")


def test_tables_say_whether_the_goal_is_met(comparison: Comparison) -> None:
    written = StringIO()
    paper = Console(width=140, file=written)
    for table in comparison_tables(comparison):
        paper.print(table)
    told = written.getvalue()
    assert "median error 10.0%, within 15%" in told
    assert "5 asked; unanswered 1, simulated 1" in told


def test_json_holds_every_pair_and_the_picture_is_drawn(comparison: Comparison, tmp_path: Path) -> None:
    write_json(comparison, tmp_path / "report.json")
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Comparison) == comparison
    pytest.importorskip("matplotlib", reason="pictures need the `train` extra")
    draw(comparison, tmp_path / "report.svg")
    assert "<svg" in (tmp_path / "report.svg").read_text()
