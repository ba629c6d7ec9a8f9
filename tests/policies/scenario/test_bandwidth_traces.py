"""Recorded bandwidths: their form, their split, and what is left of them in a home."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from policies.errors import FileUnusable
from policies.scenario import Split, draw
from policies.scenario.comparison import compare_bandwidths
from policies.scenario.sources.bandwidth_traces import all_traces, read_trace, split_of, variations

SHARED = Path(__file__).parents[4] / "shared" / "data" / "net"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/net")


def write(file: Path, *lines: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))
    return file


def wave(file: Path, *, low: float = 1.0, high: float = 3.0) -> Path:
    return write(file, *(f"{second} {low if second % 2 else high}" for second in range(40)))


def test_only_the_shape_of_a_trace_is_taken(tmp_path: Path) -> None:
    trace = read_trace(wave(tmp_path / "wave"))
    assert trace is not None
    assert trace.length_s == 40.0
    assert trace.shares[:4] == (1.5, 0.5, 1.5, 0.5)


def test_a_trace_begins_anew_at_its_end(tmp_path: Path) -> None:
    trace = read_trace(wave(tmp_path / "wave"))
    assert trace is not None
    starts_s, shares = trace.pieces(38.5, 5.0)
    assert starts_s == [0.0, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert shares == [1.5, 0.5, 1.5, 0.5, 1.5, 0.5]


@pytest.mark.parametrize("text", ["0 1", "\n".join(f"{second} 0" for second in range(40))])
def test_a_trace_in_which_nothing_is_to_be_seen_is_passed_over(tmp_path: Path, text: str) -> None:
    assert read_trace(write(tmp_path / "dull", text)) is None


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("0 1", "one 2"), "trace:2: is no sample. Each line is: seconds, a blank, megabits per second."),
        (("0 1", "1 2 3", "4 5 6"), "trace:2: is no sample."),
        (("0 1", "1 2", "1 3"), "trace:3: time does not go on."),
        (("0 1", "1 -2"), "trace: holds a rate below 0"),
        (("0 1", "1 nan"), "trace: holds a rate below 0"),
    ],
)
def test_a_file_of_another_form_is_told_with_its_line(tmp_path: Path, lines: tuple[str, ...], told: str) -> None:
    with pytest.raises(FileUnusable) as refused:
        read_trace(write(tmp_path / "trace", *lines))
    assert told in str(refused.value)


def test_recordings_of_one_origin_stay_in_one_split(tmp_path: Path) -> None:
    assert split_of(tmp_path / "hsdpa_norway" / "a") is split_of(tmp_path / "fcc_hsdpa" / "b") is Split.TRAIN
    assert split_of(tmp_path / "puffer" / "a") is Split.TEST
    others = [split_of(tmp_path / "mine" / f"{number}.txt") for number in range(500)]
    assert [others.count(split) / 500 for split in Split] == pytest.approx([0.6, 0.2, 0.2], abs=0.06)


def test_a_folder_without_a_trace_for_a_split_is_told(tmp_path: Path) -> None:
    wave(tmp_path / "puffer" / "wave")
    with pytest.raises(FileUnusable, match="holds no bandwidth trace for train worlds"):
        variations(tmp_path, Split.TRAIN, "steady")


def test_a_file_or_nothing_in_the_place_of_the_folder_of_traces_is_told(tmp_path: Path) -> None:
    wave(tmp_path / "puffer" / "wave")
    for folder in (tmp_path / "puffer" / "wave", tmp_path / "nowhere"):
        with pytest.raises(FileUnusable, match=f"{folder.name}: is no folder.*Name a folder"):
            variations(folder, Split.TEST, "steady")


def test_links_of_a_world_follow_the_traces_that_were_given(tmp_path: Path) -> None:
    wave(tmp_path / "hsdpa_norway" / "wave", low=1.0, high=3.0)
    world = draw("home", 0, traces=tmp_path)
    for link in world.links:
        rates = sorted({round(rate_bps) for rate_bps in link.bandwidth.rates_bps})
        mean = (rates[0] + rates[-1]) / 2
        assert rates[0] / mean == pytest.approx(0.5, abs=1e-4)
        assert rates[-1] / mean == pytest.approx(1.5, abs=1e-4)


@needs_shared
def test_no_recording_is_in_two_splits() -> None:
    files = {split: {file for file, _ in all_traces(SHARED) if split_of(file) is split} for split in Split}
    assert sum(map(len, files.values())) == len(all_traces(SHARED)) > 500
    assert all(len(some) > 90 for some in files.values())


@needs_shared
def test_worlds_are_drawn_from_recordings_with_the_mean_that_the_family_says() -> None:
    assert draw("night", 3, traces=SHARED) == draw("night", 3, traces=SHARED)
    assert draw("night", 3, traces=SHARED).arrivals == draw("night", 3).arrivals
    means = [
        np.mean(link.bandwidth.rates_bps)
        for seed in range(20)
        for link in draw("night", seed, traces=SHARED).links
        if link.bandwidth.rates_bps[-1] > 8e6
    ]
    assert 5e6 < np.median(means) < 40e6


@needs_shared
def test_the_built_in_walks_vary_as_recordings_do() -> None:
    for one in compare_bandwidths(SHARED):
        assert one.built_in == pytest.approx(one.recorded, abs=0.12), one.what
