from pathlib import Path

import pytest

from meshd.core.ids import ArtifactHash
from meshd.executor.profile import FEWEST_RUNS, MOST_RUNS, Profile, measure, measure_row
from meshd.executor.profile_cache import ProfileCache

A = ArtifactHash("a" * 64)
PROFILE = Profile(compute_s=0.002, spread_s=0.0001, load_s=0.03, runs=50)


def test_a_profile_is_the_median_and_the_median_distance_from_it() -> None:
    times = iter([1.0, 2.0, 3.0, 4.0, 100.0] * MOST_RUNS)
    assert measure(lambda: next(times), load_s=9.0, limit_s=60.0) == Profile(
        compute_s=3.0, spread_s=1.0, load_s=9.0, runs=MOST_RUNS
    )


def test_even_a_slow_model_is_run_a_few_times() -> None:
    assert measure(lambda: 5.0, load_s=0.0, limit_s=0.0).runs == FEWEST_RUNS


def test_those_that_run_in_turn_have_a_profile_each() -> None:
    first, second = measure_row(lambda: [1.0, 2.0], loads_s=[3.0, 4.0], limit_s=0.0)
    assert first == Profile(compute_s=1.0, spread_s=0.0, load_s=3.0, runs=FEWEST_RUNS)
    assert second == Profile(compute_s=2.0, spread_s=0.0, load_s=4.0, runs=FEWEST_RUNS)


def test_a_saved_profile_is_there_after_a_restart(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path / "profiles.json")
    cache.put(A, PROFILE)
    cache.save()
    assert ProfileCache(tmp_path / "profiles.json").get(A) == PROFILE
    assert [path.name for path in tmp_path.iterdir()] == ["profiles.json"]


def test_profiles_of_another_machine_are_forgotten(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path / "profiles.json", machine="a watch")
    cache.put(A, PROFILE)
    cache.save()
    assert ProfileCache(tmp_path / "profiles.json", machine="a hub").get(A) is None


@pytest.mark.parametrize("content", [b"\xff not json", b'{"other": ' + b"[" * 2_000])
def test_an_unreadable_cache_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profiles.json").write_bytes(content)
    assert ProfileCache(tmp_path / "profiles.json").get(A) is None
