"""Three real daemons: they find each other, and what happens to one of them costs the others nothing."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from meshd.client import AsyncClient, Result
from meshd.core.commands import Finish
from meshd.core.journal import replay
from meshd.errors import MeshError, RequestError
from tests.daemon.processes import CASCADE, Device, Household, check_climbed, household, until
from tests.daemon.toys import CALM, GRAVE, MODEL, ODD, window

pytestmark = pytest.mark.slow

MEANS = (CALM, ODD, GRAVE)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Return a watch, a phone and a hub that run for all tests that leave them as they were."""
    with household(tmp_path_factory.mktemp("shared")) as home:
        for name in ("watch", "phone", "hub"):
            home.add(name)
        home.start()
        yield home


def test_three_daemons_find_each_other_and_answer_a_cascade(shared: Household) -> None:
    with shared.devices["watch"].client() as client:
        for mean, enough in zip(MEANS, CASCADE, strict=True):
            check_climbed(client.infer(MODEL, window(mean), deadline_s=20.0), enough)


async def test_a_peer_that_stalls_is_suspected_and_returns(shared: Household) -> None:
    watch, hub = shared.devices["watch"], shared.devices["hub"]
    async with AsyncClient(str(watch.socket)) as client:
        hub.send(signal.SIGSTOP)
        at_once = await client.infer(MODEL, window(GRAVE), deadline_s=20.0)
        for device in (watch, shared.devices["phone"]):
            await asyncio.to_thread(until, lambda device=device: device.peers()["hub"].state != "alive", "suspicion")
        during = await client.infer(MODEL, window(GRAVE), deadline_s=20.0)
        hub.send(signal.SIGCONT)
        await asyncio.to_thread(shared.gather)
        after = await client.infer(MODEL, window(GRAVE), deadline_s=20.0)
    assert at_once.degraded
    assert (during.tier, during.degraded) == ("phone", True)
    assert (after.tier, after.degraded) == ("hub", False)
    asked = {result.request_id for result in (at_once, during, after)}
    await asyncio.to_thread(until, lambda: asked <= watch.outcomes().keys(), "the log's last line")
    assert {watch.outcomes()[request_id] for request_id in asked} == {1}


@pytest.mark.parametrize("victim", ["phone", "hub"])
async def test_a_crash_under_load_loses_nothing_and_doubles_nothing(trio: Household, victim: str) -> None:
    watch, lost = trio.devices["watch"], trio.devices[victim]
    async with AsyncClient(str(watch.socket)) as client:
        stream = Stream(client)
        await stream.until_answered(60)
        await asyncio.to_thread(lost.kill)
        await asyncio.to_thread(until, lambda: lost.name not in alive(watch), "the end of the session")
        await stream.until_answered(60)
        without = await client.infer(MODEL, window(GRAVE if victim == "hub" else ODD), deadline_s=20.0)
        lost.start()
        await asyncio.to_thread(trio.gather)
        # Named, for with models of microseconds the links alone say who is cheapest, and that may be another node.
        there = await client.infer(MODEL, window(CALM), deadline_s=20.0, plan=lost.name)
        again = await client.infer(MODEL, window(GRAVE), deadline_s=20.0)
        results = await stream.end()
    await asyncio.to_thread(watch.end)  # Then its log is complete.
    assert without.degraded is (victim == "hub"), "without a phone, the hub answers for it"
    assert [hop.node for hop in there.route] == [lost.name]
    assert (again.tier, again.degraded) == ("hub", False)
    assert [error for error in results if not isinstance(error, Result)] == []
    assert set(watch.outcomes().values()) == {1}
    assert len(watch.outcomes()) == len(results) + 3


def test_a_daemon_that_is_told_to_stop_says_goodbye(trio: Household) -> None:
    watch, hub = trio.devices["watch"], trio.devices["hub"]
    hub.send(signal.SIGTERM)
    assert hub.wait() == 0
    assert not hub.socket.exists()
    until(lambda: watch.peers()["hub"].state == "left", "the goodbye")
    assert [event["unfinished"] for event in hub.events("daemon.drained")] == [0]
    assert hub.events("task.failed") == watch.events("task.failed") == []


async def test_a_daemon_that_is_told_to_stop_finishes_what_it_has(trio: Household) -> None:
    watch, hub = trio.devices["watch"], trio.devices["hub"]
    async with AsyncClient(str(watch.socket)) as client:
        hub.send(signal.SIGSTOP)  # So that the request is still out there when the signal comes.
        asked = asyncio.create_task(client.infer(MODEL, window(CALM), deadline_s=20.0, min_tier="hub"))
        await asyncio.to_thread(until, lambda: watch.status().requests.alive, "the request's dispatch")
        watch.send(signal.SIGTERM)
        hub.send(signal.SIGCONT)
        assert (await asked).tier == "hub"
    assert watch.wait() == 0


def test_what_a_daemon_recorded_replays_to_the_same_commands(home: Household) -> None:
    watch, hub = home.add("watch"), home.add("hub")
    journal = home.folder / "events.jsonl"
    watch.configure(hub, record={"events": str(journal)})
    hub.configure(watch)
    for device in (watch, hub):
        device.start()
    home.gather()
    with watch.client() as client:
        asked = [client.infer(MODEL, window(mean)).request_id for mean in (CALM, GRAVE, CALM)]
        with pytest.raises(RequestError):
            client.infer(MODEL, window(CALM), min_tier="upstream")
    watch.end()
    lines = journal.read_bytes().splitlines()
    first, second = list(replay(lines)), list(replay(lines))
    assert first == second
    finished = [command for _, commands in first for command in commands if isinstance(command, Finish)]
    assert [finish.request_id for finish in finished][:3] == asked
    assert Counter(finish.request_id for finish in finished) == watch.outcomes()


def test_a_copy_of_a_device_that_starts_later_takes_its_place(trio: Household) -> None:
    watch, hub = trio.devices["watch"], trio.devices["hub"]
    copy = trio.add_copy("hub-again", hub)
    copy.configure(*trio.devices.values())
    copy.start()
    assert hub.wait() == 1
    last_words = hub.log().splitlines()[-1]
    assert "started later" in last_words
    assert "Give one of the two another state directory" in last_words
    until(lambda: watch.sees(copy), "the copy's session")
    assert sorted(watch.peers().keys() & {*trio.devices}) == ["hub-again", "phone"]
    with watch.client() as client:
        result = client.infer(MODEL, window(CALM), min_tier="hub")
    assert [hop.node for hop in result.route] == ["hub-again"]


class Stream:
    """Requests of all kinds, eight at a time, until told to end."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._ending = False
        self._results: list[Result | MeshError] = []
        self._workers = [asyncio.create_task(self._work(number)) for number in range(8)]

    async def until_answered(self, more: int) -> None:
        """Wait until this many more requests have been answered."""
        wanted = len(self._results) + more
        async with asyncio.timeout(60.0):
            while len(self._results) < wanted:  # noqa: ASYNC110 - eight workers count together
                await asyncio.sleep(0.005)

    async def end(self) -> list[Result | MeshError]:
        """Ask nothing more, wait for what is out, and return everything that came back."""
        self._ending = True
        await asyncio.gather(*self._workers)
        return self._results

    async def _work(self, number: int) -> None:
        while not self._ending:
            number += 1
            try:
                result = await self._client.infer(MODEL, window(MEANS[number % 3]), deadline_s=20.0)
                assert result.outputs["score"].dtype == np.float32
                self._results.append(result)
            except MeshError as error:
                self._results.append(error)


def alive(device: Device) -> set[str]:
    """Return the names of the peers in session with a device."""
    return {name for name, peer in device.peers().items() if peer.link_up}
