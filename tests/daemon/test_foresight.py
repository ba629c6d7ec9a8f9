"""What a daemon says of where a request would run; nobody is asked to run anything for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from meshd.core.ids import ModelName
from meshd.core.policy import LeastExpectedCost
from meshd.core.settings import Settings
from meshd.daemon.foresight import Foresight
from meshd.errors import UnknownQuery
from meshd.plan_document import PlanDocument, PlanQuestion
from model_registry.manifest import Manifest
from model_registry.tensor import Axis
from tests.core.builders import scheduler
from tests.core.builders import watch as core_watch
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Asker, Member
from tests.daemon.toys import CALM, MODEL, manifest, window

Trio = tuple[Member, Member, Member]


async def planned(client: Asker, **changes: Any) -> PlanDocument:
    question = PlanQuestion(**{"model": ModelName(MODEL), **changes})
    return msgspec.convert(await client.query("plan", **question.arguments), PlanDocument)


async def test_it_says_where_a_request_would_run_and_runs_nothing(household: Trio) -> None:
    watch, phone, hub = household
    client = watch.client()
    document = await planned(client)
    (look,) = document.looks
    assert look.chosen is not None
    result = await client.infer(window(CALM))
    assert [hop.node for hop in result.route] == [look.ways[look.chosen].place]
    assert [way.place for way in look.ways] == ["watch", "phone", "hub"]
    assert phone.asked_by_peers() == hub.asked_by_peers() == []
    assert (document.node, document.known_by, document.input_bytes) == ("watch", "watch", window(CALM)["ecg"].nbytes)


async def test_a_rate_is_assumed_until_something_large_has_passed(household: Trio) -> None:
    watch, phone, _ = household
    assert {link.rate_source for link in (await planned(watch.client())).links} == {"assumed"}
    link = watch.node.scheduler.view.link_to(phone.id)
    link.measured(1_000_000, 0.5, 0.0)
    sources = {link.node: link.rate_source for link in (await planned(watch.client())).links}
    assert sources == {"phone": "measured", "hub": "assumed"}
    assert {link.rate_source for link in (await planned(watch.client(), node="hub")).links} == {"told"}


async def test_another_node_is_foreseen_by_what_it_has_told(household: Trio) -> None:
    watch, _, _ = household
    document = await planned(watch.client(), node="hub")
    assert (document.node, document.known_by, document.hosts[0].name) == ("hub", "watch", "hub")
    assert {link.node for link in document.links} == {"watch", "phone"}


async def test_each_rate_that_is_supposed_has_a_look_of_its_own(household: Trio) -> None:
    watch, _, _ = household
    document = await planned(watch.client(), rates_bps=(1e3, 1e9))
    assert [look.rate_bps for look in document.looks] == [1e3, 1e9]
    transfers_s = [look.ways[-1].transfer_s or 0.0 for look in document.looks]
    assert transfers_s[0] > 10 * transfers_s[1] > 0.0


async def test_a_model_that_is_removed_between_two_looks_leaves_the_question_answered() -> None:
    known: dict[str, Manifest] = {MODEL: manifest()}
    mesh = scheduler(core_watch())
    foresight = Foresight(mesh, Settings(), LeastExpectedCost(), manifest=known.get, now=lambda: 0.0)
    steps = foresight.document(PlanQuestion(model=ModelName(MODEL), rates_bps=(1e3, 1e9)).arguments)
    next(steps)
    known.clear()
    next(steps)
    with pytest.raises(StopIteration) as answered:
        next(steps)
    document: PlanDocument = answered.value.value
    assert ([look.rate_bps for look in document.looks], document.extents) == ([1e3, 1e9], {})


async def test_a_batch_is_weighed_as_one(household: Trio) -> None:
    watch, _, _ = household
    client = watch.client()
    one, four = await planned(client), await planned(client, batch=4)
    assert four.input_bytes == 4 * one.input_bytes


async def test_a_question_may_say_how_long_an_item_is(member: MakeMember) -> None:
    watch = member("watch")
    form = watch.keeper.catalogue.manifest(ModelName(MODEL))
    assert form is not None
    (window_tensor,) = form.inputs
    long = replace(window_tensor, shape=("batch", "samples"))
    axes = form.axes | {"samples": Axis(min=10, max=1_000)}
    watch.keeper.catalogue.learn(replace(form, inputs=(long,), axes=axes, version="9.9.9"))
    client = watch.client()
    shortest, longer = await planned(client, batch=2), await planned(client, batch=2, length=500)
    assert (shortest.extents, shortest.input_bytes) == ({"samples": 10}, 2 * 10 * 4)
    assert (longer.extents, longer.input_bytes) == ({"samples": 500}, 2 * 500 * 4)
    with pytest.raises(UnknownQuery, match="takes 10 to 1000 elements along 'samples', and 1001 were asked for"):
        await planned(client, length=1_001)


async def test_a_question_may_forbid_codecs_that_lose_anything(household: Trio) -> None:
    watch, _, _ = household
    documents = [await planned(watch.client(), lossless=lossless) for lossless in (False, True)]
    assert [document.lossless for document in documents] == [False, True]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"length": 5}, "inputs of toy are all of one length"),
        ({"model": ModelName("nothing")}, "this node has no model 'nothing'"),
        ({"node": "attic"}, "this node has met no node called 'attic'"),
        ({"batch": 10_000_000}, "takes batches of at most"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    changes: dict[str, Any], told: str, member: MakeMember
) -> None:
    with pytest.raises(UnknownQuery, match=told):
        await planned(member("watch").client(), **changes)


async def test_words_that_mean_no_question_are_refused(member: MakeMember) -> None:
    with pytest.raises(UnknownQuery, match="no question about a plan"):
        await member("watch").client().query("plan", model=MODEL, batch="many")
