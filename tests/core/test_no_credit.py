"""A peer that has not read what it was sent before gets no more: that ends as `overloaded`, and is no death."""

from __future__ import annotations

from meshd.core.answer import Answer
from meshd.core.commands import Dispatch, Finish
from meshd.core.scheduler import Scheduler
from tests.core.builders import HUB_TIER, answered, arrived, hub, refused, scheduler, step, watch

HUBS = [hub(name=f"hub-{number}") for number in range(4)]


def dispatched(made: Scheduler, name: str) -> Dispatch:
    (sent,) = step(made, arrived(name, min_tier=HUB_TIER))
    assert isinstance(sent, Dispatch)
    return sent


def test_any_number_of_peers_without_credit_may_be_passed_over() -> None:
    made = scheduler(watch(), *HUBS)
    by_name = {made_hub.node_id: made_hub for made_hub in HUBS}
    sent = dispatched(made, "r")
    asked: list[str] = []
    while len(asked) < len(HUBS) - 1:
        asked.append(sent.node_id)
        (again,) = step(made, refused(sent.attempt, by_name[sent.node_id], "overloaded"))
        assert isinstance(again, Dispatch)
        sent = again
    assert sorted([*asked, sent.node_id]) == sorted(by_name)
    (end,) = step(made, answered(sent.attempt, by_name[sent.node_id]))
    assert isinstance(end, Finish)
    assert isinstance(end.outcome, Answer)


def test_a_peer_without_credit_is_asked_by_the_next_request_again() -> None:
    made = scheduler(watch(), HUBS[0])
    sent = dispatched(made, "r")
    (end,) = step(made, refused(sent.attempt, HUBS[0], "overloaded"))
    assert isinstance(end, Finish)
    assert dispatched(made, "again").node_id == HUBS[0].node_id
