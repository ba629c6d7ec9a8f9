"""A request id is the key to one answer: whoever asks again under it joins, and is answered once."""

from meshd.client.result import Result
from meshd.errors import DuplicateRequest
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import until
from tests.daemon.puppet import Puppet
from tests.daemon.toys import CALM, GRAVE, window


async def test_who_asks_again_while_it_waits_is_answered_once(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    client = watch.client()
    for _ in range(3):
        await client.send(window(CALM), request_id="r1", min_tier="hub")
    await hub.next_request()
    hub.say(*hub.result("r1"))
    await client.outcome("r1")
    await client.query("status")  # Whatever was sent before has come by now.
    assert (len(client.outcomes("r1")), len(hub.asked)) == (1, 1)


async def test_two_clients_under_one_id_share_the_answer(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    one, two = watch.client(), watch.client()
    await one.send(window(CALM), request_id="r1", min_tier="hub")
    await hub.next_request()
    await two.send(window(CALM), request_id="r1", min_tier="hub")
    await until(lambda: len(watch.ledger.get("r1").askers) == 2)
    hub.say(*hub.result("r1", score=0.5))
    answers = [await client.outcome("r1") for client in (one, two)]
    assert [isinstance(answer, Result) and answer.answer.score for answer in answers] == [0.5, 0.5]


async def test_an_id_of_somebody_else_gives_nothing_without_the_same_input(member: MakeMember) -> None:
    watch, hub = member("watch"), Puppet("hub", "hub")
    await hub.meet(watch)
    owner, thief = watch.client(), watch.client()
    await owner.send(window(CALM), request_id="r1", min_tier="hub")
    await hub.next_request()
    await thief.send(window(GRAVE), request_id="r1", min_tier="hub")
    assert isinstance(await thief.outcome("r1"), DuplicateRequest)
    hub.say(*hub.result("r1"))
    assert isinstance(await owner.outcome("r1"), Result)
    late = watch.client()
    await late.send(window(GRAVE), request_id="r1", min_tier="hub")
    assert isinstance(await late.outcome("r1"), DuplicateRequest)
