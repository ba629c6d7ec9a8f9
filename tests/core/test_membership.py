from msgspec.structs import replace

from meshd.core.ids import NodeId
from meshd.core.membership import Change, Membership, Standing
from meshd.core.settings import Settings

HUB, PHONE, WATCH = NodeId("hub"), NodeId("phone"), NodeId("watch")


def membership(**settings: int) -> Membership:
    made = Membership(replace(Settings(), **settings), 0.0)
    made.connected(HUB, 1, 0.0)
    return made


def checked(made: Membership, until_s: int) -> list[tuple[int, Change]]:
    """Check once a second, as the scheduler does; return what changed when."""
    return [(now, change) for now in range(1, until_s + 1) for change in made.check(float(now))]


def became(standing: Standing, node_id: NodeId = HUB) -> Change:
    return Change(node_id=node_id, standing=standing)


def test_a_silent_peer_is_suspect_after_three_heartbeats_and_dead_after_ten_seconds() -> None:
    assert checked(membership(), 20) == [(3, became(Standing.SUSPECT)), (10, became(Standing.DEAD))]


def test_a_suspect_gets_no_work_and_a_life_sign_brings_it_back() -> None:
    made = membership()
    checked(made, 4)
    assert not made.is_usable(HUB)

    assert made.heard(HUB, 4.0) == [became(Standing.ALIVE)]
    assert made.is_usable(HUB)


def test_the_end_of_a_session_is_suspicious_at_once_and_death_follows() -> None:
    made = membership()

    assert made.disconnected(HUB, left=False) == [became(Standing.SUSPECT)]
    assert checked(made, 20) == [(10, became(Standing.DEAD))]


def test_a_goodbye_is_not_suspicious_and_stays_a_goodbye() -> None:
    made = membership()

    assert made.disconnected(HUB, left=True) == [became(Standing.LEFT)]
    assert made.disconnected(HUB, left=False) == []
    assert checked(made, 20) == []
    assert not made.is_usable(HUB)


def test_a_dead_peer_does_not_become_suspect_when_its_session_ends_at_last() -> None:
    made = membership()
    checked(made, 10)

    assert made.disconnected(HUB, left=False) == []
    assert made[HUB].standing is Standing.DEAD


def test_a_life_sign_from_a_peer_without_a_session_changes_nothing() -> None:
    made = membership()
    made.disconnected(HUB, left=False)

    assert made.heard(HUB, 1.0) == []
    assert made.heard(PHONE, 1.0) == []
    assert not made.is_usable(HUB)


def test_an_older_incarnation_is_ignored_and_a_newer_one_counts() -> None:
    made = membership()
    made.connected(HUB, 5, 1.0)
    made.disconnected(HUB, left=False)

    assert made.connected(HUB, 4, 2.0) == []
    assert made.connected(HUB, 6, 3.0) == [became(Standing.ALIVE)]


def test_a_node_that_stalled_does_not_count_its_own_absence_against_its_peers() -> None:
    made = membership()

    assert made.check(3600.0) == []
    assert made.is_usable(HUB)


def test_after_its_own_stall_a_node_is_slower_to_suspect_for_one_check() -> None:
    made = membership()
    made.check(3.0)  # Two seconds late: silence counts from 2.0, and limits are doubled once.

    assert [(now, made.check(float(now))) for now in (4, 5)] == [(4, []), (5, [became(Standing.SUSPECT)])]


def test_a_peer_that_dies_right_after_this_node_woke_is_noticed_as_fast_as_any_other() -> None:
    made = membership()
    made.heard(HUB, 3600.0)  # What was waiting in the socket is read first.
    made.check(3600.0)

    changes = [(now, change) for now in range(3601, 3620) for change in made.check(float(now))]
    assert changes == [(3603, became(Standing.SUSPECT)), (3610, became(Standing.DEAD))]


def test_the_longest_silent_peer_makes_room_for_a_new_one() -> None:
    made = membership(max_nodes=2)
    made.connected(PHONE, 1, 1.0)
    made.disconnected(PHONE, left=True)
    made.disconnected(HUB, left=True)

    made.connected(WATCH, 1, 2.0)
    assert (HUB in made, PHONE in made, WATCH in made) == (False, True, True)


def test_a_peer_in_session_is_never_forgotten_for_a_new_one() -> None:
    made = membership(max_nodes=1)

    assert made.connected(PHONE, 1, 1.0) == []
    assert (HUB in made, PHONE in made) == (True, False)
