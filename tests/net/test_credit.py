"""Credit: what is out on a session is bounded, and what may be sent in the end can always be sent."""

import pytest

from meshd.net.credit import LEAST_COST_BYTES, Allowance, Loan

WINDOW = 64 * 2**10


def opened() -> tuple[Loan, Allowance]:
    loan, allowance = Loan(WINDOW), Allowance()
    allowance.grant(loan.granted_bytes)
    return loan, allowance


def test_nothing_may_be_sent_before_the_other_side_has_said_so() -> None:
    assert not Allowance().take(0)


def test_both_sides_count_alike_and_what_is_out_stays_within_the_window() -> None:
    loan, allowance = opened()
    n_sent = 0
    while allowance.take(10_000):
        assert loan.take(str(n_sent), 10_000)
        n_sent += 1
    assert n_sent == WINDOW // 10_000
    assert not loan.take("one more", 10_000)


def test_tiny_requests_are_not_free() -> None:
    _, allowance = opened()
    assert [allowance.take(0) for _ in range(WINDOW // LEAST_COST_BYTES + 1)][-2:] == [True, False]


def test_the_largest_request_goes_alone_and_always_goes_once_all_have_ended() -> None:
    loan, allowance = opened()
    for number in range(100):
        name = str(number)
        assert allowance.take(10 * WINDOW)
        assert loan.take(name, 10 * WINDOW)
        assert not allowance.covers(WINDOW // 2)
        if loan.settle(name):
            allowance.grant(loan.granted_bytes)


def test_a_new_total_is_told_when_a_quarter_has_come_back_and_a_later_one_replaces_an_earlier_one() -> None:
    loan, allowance = opened()
    for number in range(8):
        assert loan.take(str(number), WINDOW // 8)
        assert allowance.take(WINDOW // 8)
    assert [loan.settle(str(number)) for number in range(4)] == [False, True, False, True]
    assert loan.granted_bytes == WINDOW + WINDOW // 2
    allowance.grant(loan.granted_bytes)
    allowance.grant(WINDOW)
    assert allowance.covers(WINDOW // 2)


@pytest.mark.parametrize("ended", ["never asked", "1"])
def test_a_request_is_given_back_once(ended: str) -> None:
    loan, _ = opened()
    assert loan.take("1", WINDOW)
    loan.settle("1")
    told = loan.granted_bytes
    assert not loan.settle(ended)
    assert loan.granted_bytes == told


def test_a_second_message_under_an_id_that_is_in_use_gives_back_no_more_than_it_cost() -> None:
    loan, _ = opened()
    assert loan.take("1", WINDOW // 2)
    assert loan.take("1", WINDOW // 4)
    assert loan.settle("1", only_last=True)
    assert loan.granted_bytes == WINDOW + WINDOW // 4
    assert loan.settle("1")
    assert loan.granted_bytes == WINDOW + WINDOW // 2 + WINDOW // 4


def test_who_asks_again_under_one_id_pays_twice_and_gets_both_back() -> None:
    loan, _ = opened()
    assert loan.take("1", WINDOW // 2)
    assert loan.take("1", WINDOW // 2)
    assert loan.settle("1")
    assert loan.granted_bytes == 2 * WINDOW
