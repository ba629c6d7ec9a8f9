"""Recorded arrivals, and the process that stands for them where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from policies.errors import FileUnusable
from policies.scenario import Luck, Split, draw
from policies.scenario.comparison import compare_arrivals
from policies.scenario.sources.arrival_trace import arrivals_of
from policies.scenario.sources.synthetic import arrival_times

SHARED = Path(__file__).parents[4] / "shared" / "data" / "arrivals" / "AzureLLMInferenceTrace_code.csv"
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason="needs ../shared/data/arrivals")
HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"


def every_second(file: Path, seconds: int = 1_200) -> Path:
    """Write one request a second, the later the larger."""
    lines = [f"2023-11-16 {18 + s // 3600}:{s // 60 % 60:02}:{s % 60:02}.5000000,{s + 1},1" for s in range(seconds)]
    file.write_text("\n".join([HEAD, *lines]))
    return file


def test_each_split_has_a_part_of_a_recording_of_its_own(tmp_path: Path) -> None:
    file = every_second(tmp_path / "arrivals.csv")
    lengths_s = [arrivals_of(file, split).length_s for split in Split]
    assert [length / sum(lengths_s) for length in lengths_s] == pytest.approx([0.6, 0.15, 0.25])


@pytest.mark.parametrize("rate_per_s", [0.1, 0.5, 3.0])
def test_arrivals_are_thinned_or_sped_up_to_the_rate_of_a_stream(tmp_path: Path, rate_per_s: float) -> None:
    trace = arrivals_of(every_second(tmp_path / "arrivals.csv"), Split.TRAIN)
    counts = []
    for seed in range(30):
        times_s, sizes = trace.drawn(rate_per_s, 200.0, Luck(seed).stream("arrivals"))
        assert ((times_s >= 0.0) & (times_s < 200.0)).all()
        assert (np.diff(times_s) >= 0.0).all()
        assert ((sizes >= 0.0) & (sizes < 1.0)).all()
        counts.append(len(times_s))
    assert np.mean(counts) == pytest.approx(200.0 * rate_per_s, rel=0.1)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["time,tokens"], "arrivals.csv:1: has other columns"),
        ([HEAD], "arrivals.csv: holds no arrivals."),
        ([HEAD, "2023-11-16 18:17:03.97,1,1", "noon,1,1"], "arrivals.csv:3: 'noon,1,1' is no arrival."),
        ([HEAD, "2023-11-16 18:17:03.97,1"], "arrivals.csv:2: '2023-11-16 18:17:03.97,1' is no arrival."),
        ([HEAD, "2023-11-16 18:17:03.97,1,1"], "bursts are not to be seen in so few. Give a longer recording."),
    ],
)
def test_a_file_of_another_form_is_told_with_its_line(tmp_path: Path, lines: list[str], told: str) -> None:
    file = tmp_path / "arrivals.csv"
    file.write_text("\n".join(lines))
    with pytest.raises(FileUnusable) as refused:
        arrivals_of(file, Split.TRAIN)
    assert told in str(refused.value)


def test_requests_of_a_world_follow_the_recording_that_was_given(tmp_path: Path) -> None:
    file = every_second(tmp_path / "arrivals.csv")
    recorded, built_in = draw("home", 0, arrivals=file), draw("home", 0)
    assert recorded.links == built_in.links
    periodic = [
        [one.at_s for one in world.arrivals if one.request.model == "ecg-anomaly"] for world in (recorded, built_in)
    ]
    bursty = [[one.at_s for one in world.arrivals if one.request.model == "scene"] for world in (recorded, built_in)]
    assert periodic[0] == periodic[1]
    assert bursty[0] != bursty[1]


def test_the_built_in_arrivals_keep_their_rate_and_come_in_bursts() -> None:
    runs = [arrival_times(2.0, 600.0, 1.0, Luck(seed).stream("arrivals")) for seed in range(30)]
    assert np.mean([len(run) for run in runs]) == pytest.approx(1_200, rel=0.15)
    counts = [np.bincount((run // 10.0).astype(int), minlength=60) for run in runs]
    assert np.var(counts) / np.mean(counts) > 20.0


@needs_shared
def test_the_built_in_arrivals_are_as_bursty_as_the_recording() -> None:
    for one in compare_arrivals(SHARED):
        assert one.built_in == pytest.approx(one.recorded, rel=0.2, abs=0.05), one.what
