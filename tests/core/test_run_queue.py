from typing import Any

from msgspec.structs import replace

from meshd.core.ids import NodeId, RequestId
from meshd.core.node import HostedTier
from meshd.core.request import Priority
from meshd.core.run_queue import RunQueue, Token, Waiting
from tests.core.builders import HUB_TIER, tier

EMERGENCY, NORMAL, BACKGROUND = Priority


def token(name: str) -> Token:
    return (RequestId(name), 1)


def waiting(name: str, priority: Priority = NORMAL, deadline_s: float = 1.0, **changes: Any) -> Waiting:
    plain = Waiting(token=token(name), priority=priority, deadline_s=deadline_s, expected_s=0.1)
    return replace(plain, **changes)


def queue(*entries: tuple[str, Priority, float], slots: int = 1, capacity: int = 8) -> RunQueue:
    made = RunQueue(slots, capacity)
    for entry in entries:
        assert made.push(waiting(*entry)) is None
    return made


def started(made: RunQueue) -> Token | None:
    """The stage that starts next, alone."""
    tokens = made.start(0.0)
    assert len(tokens) < 2
    return tokens[0] if tokens else None


def batches(latency_s: float = 1.0, most_members: int = 16) -> RunQueue:
    """A queue that runs waiting requests for one model together."""
    return RunQueue(1, 64, most_members=most_members, latency_s=latency_s)


def test_the_most_urgent_starts_first_and_the_earlier_deadline_among_equals() -> None:
    made = queue(
        ("later", NORMAL, 2.0), ("idle", BACKGROUND, 0.1), ("sooner", NORMAL, 1.0), ("alarm", EMERGENCY, 9.0), slots=9
    )

    assert [started(made) for _ in range(5)] == [token("alarm"), token("sooner"), token("later"), token("idle"), None]


def test_no_more_stages_start_than_there_are_slots() -> None:
    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0))

    assert (started(made), started(made)) == (token("a"), None)
    made.ended(token("a"))
    assert started(made) == token("b")


def test_the_end_of_an_unknown_stage_frees_no_slot() -> None:
    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0))
    started(made)
    made.ended((RequestId("a"), 7))

    assert (made.running, started(made)) == (1, None)


def test_a_full_queue_pushes_out_its_least_urgent_stage() -> None:
    made = queue(("idle", BACKGROUND, 1.0), ("a", NORMAL, 1.0), capacity=2)

    assert made.can_take(NORMAL)
    assert made.push(waiting("b", NORMAL, 2.0)) == token("idle")
    assert made.queued == 2


def test_a_full_queue_sends_a_less_urgent_newcomer_away_and_keeps_what_it_has() -> None:
    made = queue(("alarm", EMERGENCY, 1.0), capacity=1)

    assert not made.can_take(BACKGROUND)
    assert made.push(waiting("idle", BACKGROUND, 0.1)) == token("idle")
    assert started(made) == token("alarm")


def test_a_withdrawn_stage_never_starts() -> None:
    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0))
    made.withdraw(token("a"))
    made.withdraw(token("stranger"))

    assert (started(made), made.queued) == (token("b"), 0)


def test_the_wait_counts_what_runs_and_what_is_at_least_as_urgent() -> None:
    made = queue(("a", NORMAL, 1.0), slots=2)
    assert started(made) == token("a")
    assert made.wait_s(BACKGROUND) == 0.0

    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0), ("idle", BACKGROUND, 1.0))
    started(made)
    assert [round(made.wait_s(p), 6) for p in Priority] == [0.1, 0.2, 0.3]
    assert round(made.backlog_s(), 6) == 0.3


MODEL = tier(HUB_TIER, max_items=8)


def alike(name: str, hosted: HostedTier = MODEL, **changes: Any) -> Waiting:
    return waiting(name, tier=hosted, **changes)


def group(made: RunQueue, now: float = 0.0) -> list[str]:
    return [name for name, _ in made.start(now)]


def test_what_waits_for_one_model_starts_together_the_most_urgent_first() -> None:
    made = batches()
    for name, deadline_s in (("a", 5.0), ("b", 4.0), ("c", 6.0)):
        made.push(alike(name, deadline_s=deadline_s))
    made.push(alike("other", tier(HUB_TIER, max_items=8, artifact="other"), deadline_s=4.5))
    assert (group(made), made.running, made.queued) == (["b", "a", "c"], 1, 1)


def test_a_batch_holds_one_slot_until_its_last_member_has_ended() -> None:
    made = batches()
    for name in "ab":
        made.push(alike(name))
    made.push(waiting("next", deadline_s=9.0))
    assert group(made) == ["a", "b"]

    first, last = made.ended(token("a")), made.ended(token("b"))
    assert first is last
    assert first is not None
    assert first.left == 0
    assert group(made) == ["next"]


def test_the_end_of_one_member_frees_nothing() -> None:
    made = batches()
    for name in "ab":
        made.push(alike(name))
    group(made)
    made.ended(token("a"))
    assert (made.running, round(made.backlog_s(), 6)) == (1, 0.2)


def test_a_batch_is_as_large_as_its_latency_its_deadlines_the_model_and_the_setting_let_it_be() -> None:
    def size(made: RunQueue, **changes: Any) -> int:
        for number in range(20):
            made.push(alike(f"r{number}", **{"deadline_s": 9.0, **changes}))
        return len(group(made))

    assert size(batches(latency_s=0.35)) == 3
    assert size(batches(latency_s=9.0), deadline_s=0.55) == 5
    assert size(batches(latency_s=9.0)) == MODEL.max_items
    assert size(batches(latency_s=9.0), items=3) == 2
    assert size(batches(latency_s=9.0, most_members=4)) == 4
    assert size(batches(latency_s=9.0), hosted=tier(HUB_TIER)) == 1


def test_one_that_takes_longer_than_the_latency_starts_all_the_same() -> None:
    made = batches(latency_s=0.01)
    made.push(alike("a"))
    made.push(alike("b"))
    assert group(made) == ["a"]


def test_stages_of_a_cut_model_run_alone() -> None:
    made = batches()
    made.push(waiting("a"))
    made.push(waiting("b"))
    assert group(made) == ["a"]


def test_a_member_that_was_withdrawn_is_in_no_batch() -> None:
    made = batches()
    for name in "abc":
        made.push(alike(name))
    made.withdraw(token("b"))
    assert group(made) == ["a", "c"]


def test_a_stage_starts_at_once_only_where_a_slot_is_free_and_nobody_waits() -> None:
    made = queue()
    assert made.start_at_once(token("a"), 0.1)
    assert not made.start_at_once(token("b"), 0.1)
    made.push(waiting("c"))
    made.ended(token("a"))
    assert not made.start_at_once(token("b"), 0.1)


def test_an_empty_queue_has_no_backlog_whatever_went_through_it() -> None:
    made = queue(capacity=100)
    for number in range(50):
        made.push(waiting(f"r{number}", expected_s=0.1 * number))
    for number in range(50):
        made.withdraw(token(f"r{number}"))
    made.push(waiting("last", expected_s=0.5))
    assert made.backlog_s() == 0.5


def test_what_peers_will_be_sent_is_counted_until_it_has_ended_or_will_never_come() -> None:
    kitchen = NodeId("kitchen")
    made = RunQueue(1, 2)
    assert made.start_at_once(token("runs"), 0.1, then_to=kitchen)
    for name, urgency in (("a", NORMAL), ("idle", BACKGROUND), ("b", NORMAL)):
        made.push(waiting(name, urgency, then_to=kitchen))
    assert made.bound_for == {kitchen: 3}
    made.withdraw(token("a"))
    made.ended(token("runs"))
    assert (started(made), made.bound_for) == (token("b"), {kitchen: 1})
    made.ended(token("b"))
    assert made.bound_for == {}
