"""Pins: kept in a file that is read again when it changes, and never lost to a damaged one."""

from os import mkfifo
from pathlib import Path

import pytest

from meshd.core.node import DeviceClass
from meshd.errors import ConfigInvalid
from meshd.net.trust import Pin, TrustStore

HUB, PHONE = "a" * 64, "b" * 64


def test_a_pin_is_there_after_a_restart_with_its_notes(tmp_path: Path) -> None:
    TrustStore(tmp_path / "trust.toml").pin(HUB, name="hub", device_class=DeviceClass.HUB)
    again = TrustStore(tmp_path / "trust.toml")
    assert again.trusts(HUB)
    assert not again.trusts(PHONE)
    assert dict(again.pins) == {HUB: Pin(fingerprint=HUB, name="hub", device_class=DeviceClass.HUB)}


def test_what_another_process_pins_and_unpins_is_noticed(tmp_path: Path) -> None:
    daemon, command = TrustStore(tmp_path / "trust.toml"), TrustStore(tmp_path / "trust.toml")
    command.pin(HUB)
    assert (daemon.refresh(), daemon.trusts(HUB), daemon.refresh()) == (True, True, False)
    assert command.unpin(HUB)
    assert (daemon.refresh(), daemon.trusts(HUB)) == (True, False)


def test_unpinning_what_is_not_pinned_says_so(tmp_path: Path) -> None:
    assert not TrustStore(tmp_path / "trust.toml").unpin(HUB)


def test_pins_of_the_configuration_hold_and_are_not_written(tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "trust.toml", [Pin(fingerprint=HUB)])
    trust.pin(PHONE)
    assert set(trust.pins) == {HUB, PHONE}
    assert not trust.unpin(HUB)
    assert set(TrustStore(tmp_path / "trust.toml").pins) == {PHONE}


@pytest.mark.parametrize("fingerprint", ["", "A" * 64, "a" * 63, "a" * 64 + "\n", "../" + "a" * 61])
def test_only_a_fingerprint_can_be_pinned(tmp_path: Path, fingerprint: str) -> None:
    with pytest.raises(ConfigInvalid, match="no fingerprint"):
        TrustStore(tmp_path / "trust.toml").pin(fingerprint)


@pytest.mark.parametrize(
    "content",
    [
        "[[peer]\n",
        '[[peer]]\nfingerprint = "abc"\n',
        f'[[peer]]\nfingerprint = "{HUB}"\nclas = "hub"\n',
        "peers = 1\n",
        "peer = " + "[" * 2_000,
    ],
    ids=["no TOML", "no fingerprint", "typo in a key", "another table", "brackets in brackets"],
)
def test_a_file_that_cannot_be_understood_stops_the_start_and_changes_nothing_later(
    tmp_path: Path, content: str
) -> None:
    running = TrustStore(tmp_path / "trust.toml")
    running.pin(HUB)
    (tmp_path / "trust.toml").write_text(content)
    assert (running.refresh(), running.trusts(HUB)) == (False, True)
    with pytest.raises(ConfigInvalid, match="Mend the file"):
        TrustStore(tmp_path / "trust.toml")


def test_what_is_no_file_in_its_place_stops_the_start_and_keeps_no_running_node_waiting(tmp_path: Path) -> None:
    path = tmp_path / "trust.toml"
    running = TrustStore(path)
    running.pin(HUB)
    path.unlink()
    mkfifo(path)
    assert (running.refresh(), running.trusts(HUB)) == (False, True)
    with pytest.raises(ConfigInvalid, match="It is a pipe or a device, and no file"):
        TrustStore(path)
    path.unlink()
    path.symlink_to(path)
    assert (running.refresh(), running.trusts(HUB)) == (False, True)
    with pytest.raises(ConfigInvalid, match="Mend the file"):
        TrustStore(path)
