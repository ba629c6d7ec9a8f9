"""Damage is mended between real daemons, and what cannot be mended is told by every channel there is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshd.core.request import Privacy
from model_registry.trust.signing_key import SigningKey
from tests.daemon.models.family import Family, family
from tests.daemon.processes import Device, Household
from tests.daemon.toys import CALM, window

pytestmark = pytest.mark.slow


@pytest.fixture
def made(publisher: SigningKey) -> Family:
    return family(publisher, ballast_bytes=40 * 4096)


@pytest.fixture
def pair(home: Household, publisher: SigningKey, made: Family, tmp_path: Path) -> tuple[Device, Device]:
    """Return a phone and a hub that both have all of a family."""
    phone, hub = home.add("phone"), home.add("hub")
    home.start(models={"publishers": [publisher.publisher], "fetch": "none", "scrub_interval_s": 3_600.0})
    with hub.client() as client:
        client.install_model(made.lay(tmp_path / "bundle"))
    phone.until(lambda: phone.ask(lambda client: client.fetch_model("news")), "what the hub lends")
    with phone.client() as client:  # The smaller tiers as well.
        client.install_model(tmp_path / "bundle" / "news")
    return phone, hub


def verify(device: Device) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-c", "from meshd.cli import main; main()", "models", "verify", "--json"]
    ended = subprocess.run([*command, "--endpoint", str(device.socket)], capture_output=True, text=True, check=False)
    return ended.returncode, json.loads(ended.stdout)["findings"]


def flip(device: Device, made: Family, *positions: int) -> None:
    path = device.state_dir / "models" / "artifacts" / made.artifact("phone")
    content = bytearray(path.read_bytes())
    for position in positions:
        content[position] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_is_mended_from_the_other_daemon_and_heavy_damage_is_told(
    pair: tuple[Device, Device], made: Family
) -> None:
    phone, _ = pair
    flip(phone, made, 5000)
    code, [finding] = verify(phone)
    assert (code, finding["outcome"], finding["damaged_pieces"]) == (0, "mended", 1)
    path = phone.state_dir / "models" / "artifacts" / made.artifact("phone")
    assert path.read_bytes() == made.contents["phone"]

    flip(phone, made, *range(0, len(made.contents["phone"]), 4096))
    code, [finding] = verify(phone)
    assert (code, finding["outcome"], finding["serving"]) == (4, "quarantined", ["watch/toy-fp32"])
    assert [p.sentence.partition(":")[0] for p in phone.status().problems] == [
        "Model news/phone/toy-fp32 is in quarantine"
    ]
    with phone.client() as client:
        assert [hop.tier for hop in client.infer("news", window(CALM), privacy=Privacy.DEVICE).route] == ["watch"]
    assert [line["outcome"] for line in phone.events("model.damaged")][-1] == "quarantined"
