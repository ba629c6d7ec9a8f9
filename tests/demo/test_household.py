"""Three real daemons find each other by mDNS on loopback, and are gone when the household ends."""

from pathlib import Path

import psutil
import pytest

from meshd.bench.tiny import MODELS, NAME
from meshd.core.ids import ModelName
from meshd.demo.household import Household
from meshd.demo.spending import HOUSEHOLD
from meshd.errors import SetupError

pytestmark = pytest.mark.slow


async def test_a_household_gathers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Household(tmp_path, models=MODELS) as household:
        await household.gather(NAME)
        pids = [device.pid for device in household.devices.values()]
        sockets = [device.socket for device in household.devices.values()]
        assert set(household.discovered_s) == set(HOUSEHOLD)
        assert all(device.running for device in household.devices.values())
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not [path for path in sockets if path.parent.exists()]


async def test_a_model_without_so_many_hosts_is_told_as_such_where_all_devices_see_each_other(tmp_path: Path) -> None:
    async with Household(tmp_path, models=MODELS) as household:
        await household.gather(NAME)
        with pytest.raises(SetupError, match=r"The watch knows of 3 of 4 hosts of") as caught:
            await household.meet({ModelName(NAME): 4}, patience_s=2.0)
    assert "multicast" not in caught.value.hint


async def test_a_daemon_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    household = Household(tmp_path, models=MODELS)
    (tmp_path / "phone" / "identity.pem").write_text("damaged")
    with pytest.raises(SetupError, match=r"(?s)the phone ended with code \d+\. Its log ends:.*identity"):
        async with household:
            await household.gather(NAME)
