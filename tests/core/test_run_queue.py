from meshd.core.ids import RequestId
from meshd.core.request import Priority
from meshd.core.run_queue import RunQueue, Token

EMERGENCY, NORMAL, BACKGROUND = Priority


def token(name: str) -> Token:
    return (RequestId(name), 1)


def queue(*entries: tuple[str, Priority, float], slots: int = 1, capacity: int = 8) -> RunQueue:
    made = RunQueue(slots, capacity)
    for name, priority, deadline_s in entries:
        assert made.push(token(name), priority, deadline_s, 0.1) is None
    return made


def test_the_most_urgent_starts_first_and_the_earlier_deadline_among_equals() -> None:
    made = queue(
        ("later", NORMAL, 2.0), ("idle", BACKGROUND, 0.1), ("sooner", NORMAL, 1.0), ("alarm", EMERGENCY, 9.0), slots=9
    )

    assert [made.start() for _ in range(5)] == [token("alarm"), token("sooner"), token("later"), token("idle"), None]


def test_no_more_stages_start_than_there_are_slots() -> None:
    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0))

    assert (made.start(), made.start()) == (token("a"), None)
    made.ended(token("a"))
    assert made.start() == token("b")


def test_the_end_of_an_unknown_stage_frees_no_slot() -> None:
    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0))
    made.start()
    made.ended((RequestId("a"), 7))

    assert (made.running, made.start()) == (1, None)


def test_a_full_queue_pushes_out_its_least_urgent_stage() -> None:
    made = queue(("idle", BACKGROUND, 1.0), ("a", NORMAL, 1.0), capacity=2)

    assert made.can_take(NORMAL)
    assert made.push(token("b"), NORMAL, 2.0, 0.1) == token("idle")
    assert made.queued == 2


def test_a_full_queue_sends_a_less_urgent_newcomer_away_and_keeps_what_it_has() -> None:
    made = queue(("alarm", EMERGENCY, 1.0), capacity=1)

    assert not made.can_take(BACKGROUND)
    assert made.push(token("idle"), BACKGROUND, 0.1, 0.1) == token("idle")
    assert made.start() == token("alarm")


def test_a_withdrawn_stage_never_starts() -> None:
    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0))
    made.withdraw(token("a"))
    made.withdraw(token("stranger"))

    assert (made.start(), made.queued) == (token("b"), 0)


def test_the_wait_counts_what_runs_and_what_is_at_least_as_urgent() -> None:
    made = queue(("a", NORMAL, 1.0), slots=2)
    assert made.start() == token("a")
    assert made.wait_s(BACKGROUND) == 0.0

    made = queue(("a", NORMAL, 1.0), ("b", NORMAL, 2.0), ("idle", BACKGROUND, 1.0))
    made.start()
    assert [round(made.wait_s(p), 6) for p in Priority] == [0.1, 0.2, 0.3]
    assert round(made.backlog_s(), 6) == 0.3
