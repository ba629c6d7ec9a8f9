"""A share of a core, written as each version of control groups wants it."""

import subprocess
from pathlib import Path

import pytest

from meshd.demo.cpu_limit import CpuLimit, cpu_limit, why_not


def group(folder: Path, *files: str) -> CpuLimit:
    for name in files:
        (folder / name).touch()
    return CpuLimit(folder)


@pytest.mark.parametrize(
    ("cores", "written"), [(0.1, "1000 10000"), (0.5, "10000 20000"), (1.0, "20000 20000"), (None, "max")]
)
def test_the_second_version_takes_quota_and_period_together(tmp_path: Path, cores: float | None, written: str) -> None:
    limit = group(tmp_path, "cpu.max")
    limit.grant_all() if cores is None else limit.grant(cores)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"cpu.max": written}


@pytest.mark.parametrize(("cores", "quota_us", "period_us"), [(0.1, "1000", "10000"), (0.7, "14000", "20000")])
def test_the_first_version_takes_quota_and_period_apart(
    tmp_path: Path, cores: float, quota_us: str, period_us: str
) -> None:
    limit = group(tmp_path, "cpu.cfs_quota_us", "cpu.cfs_period_us")
    limit.grant(cores)
    written = {"cpu.cfs_quota_us": quota_us, "cpu.cfs_period_us": period_us}
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == written
    limit.grant_all()
    assert (tmp_path / "cpu.cfs_quota_us").read_text() == "-1"


def test_what_is_started_with_the_prefix_is_in_the_group() -> None:
    if reason := why_not():
        pytest.skip(reason)
    with cpu_limit() as limit:
        limit.grant(0.5)
        told = subprocess.run((*limit.prefix, "cat", "/proc/self/cgroup"), check=True, capture_output=True, text=True)
        assert "/meshd-" in told.stdout
