import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "meshd.service"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_unit_is_exposed_by_at_most_two_of_ten() -> None:
    # --threshold counts in tenths and makes the exit status the answer.
    report = run("systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT)
    assert report.returncode == 0, report.stdout + report.stderr
    assert "Overall exposure level for meshd.service:" in report.stdout


def test_the_exposure_check_can_fail() -> None:
    assert run("systemd-analyze", "security", "--offline=true", "--threshold=1", UNIT).returncode != 0


def test_the_unit_allows_what_discovery_and_peers_need() -> None:
    report = json.loads(run("systemd-analyze", "security", "--offline=true", "--json=short", UNIT).stdout)
    closed = {check["name"] for check in report if check["set"]}
    assert not closed & {"RestrictAddressFamilies=~AF_(INET|INET6)", "RestrictAddressFamilies=~AF_NETLINK"}
    assert {"RestrictAddressFamilies=~AF_PACKET", "MemoryDenyWriteExecute=", "NoNewPrivileges="} <= closed


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    # verify insists that the program is there; another one stands in for /opt/meshd/bin/meshd.
    installed = tmp_path / "meshd.service"
    installed.write_text(UNIT.read_text().replace("/opt/meshd/bin/meshd", sys.executable))
    report = run("systemd-analyze", "verify", installed)
    assert (report.returncode, report.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="making accounts below another root needs root")
def test_the_account_and_the_configuration_folder_are_made_as_the_unit_expects(tmp_path: Path) -> None:
    for kind in ("sysusers", "tmpfiles"):
        folder = tmp_path / "usr" / "lib" / f"{kind}.d"
        folder.mkdir(parents=True)
        shutil.copy(DEPLOY / f"meshd.{kind}.conf", folder / "meshd.conf")
    configuration = tmp_path / "etc" / "meshd" / "meshd.toml"
    configuration.parent.mkdir(parents=True)
    configuration.touch()

    assert run("systemd-sysusers", f"--root={tmp_path}").returncode == 0
    assert run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "meshd.conf").returncode == 0

    account = (tmp_path / "etc" / "passwd").read_text().split(":")
    assert (account[0], account[5]) == ("meshd", "/var/lib/meshd")
    group_id = int(account[3])
    folder = configuration.parent
    assert (folder.stat().st_mode & 0o777, folder.stat().st_uid, folder.stat().st_gid) == (0o750, 0, group_id)
    assert (configuration.stat().st_mode & 0o777, configuration.stat().st_gid) == (0o640, group_id)
