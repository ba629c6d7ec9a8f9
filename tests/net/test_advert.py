"""What an announcement may say, and in which order its addresses are dialled."""

import pytest

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.errors import ProtocolError
from meshd.net.address import Address
from meshd.net.advert import Advert
from meshd.net.backoff import FIRST_S, MOST_S, Backoff
from meshd.net.interfaces import MAX_ADDRESSES, announced, by_preference

HUB = Advert(
    node_id=NodeId("a" * 64), device_class=DeviceClass.HUB, incarnation=7, addresses=("192.0.2.1",), port=47600
)
TXT: dict[bytes, bytes | None] = {key.encode(): value.encode() for key, value in HUB.txt().items()}


def test_an_advert_reads_what_it_wrote() -> None:
    assert Advert.from_txt(TXT, HUB.addresses, HUB.port) == HUB
    assert HUB.endpoints == (Address("192.0.2.1", 47600),)


def test_the_record_is_small() -> None:
    assert sum(len(key) + len(value) + 2 for key, value in HUB.txt().items()) < 128


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({b"v": b"2"}, "speaks protocol '2'"),
        ({b"v": None}, "speaks protocol 'unknown'"),
        ({b"id": b"abc"}, "is no fingerprint"),
        ({b"id": b"A" * 64}, "is no fingerprint"),
        ({b"id": b"\xff" * 64}, "is no fingerprint"),
        ({b"class": b"toaster"}, "class 'toaster' is unknown"),
        ({b"inc": b"-1"}, "is no number"),
        ({b"inc": b"9" * 19}, "is no number"),
        ({b"inc": None}, "is no number"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(change: dict[bytes, bytes | None], reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        Advert.from_txt(TXT | change, HUB.addresses, HUB.port)


@pytest.mark.parametrize(("addresses", "port"), [((), 47600), (("192.0.2.1",), 0)])
def test_a_record_without_a_place_to_dial_is_refused(addresses: tuple[str, ...], port: int) -> None:
    with pytest.raises(ProtocolError, match="no address"):
        Advert.from_txt(TXT, addresses, port)


def test_ipv4_comes_first_and_link_local_last() -> None:
    given = ["fe80::1%eth0", "2001:db8::1", "169.254.3.3", "192.0.2.1", "0.0.0.0", "ff02::fb"]
    assert by_preference(given) == ("192.0.2.1", "2001:db8::1", "169.254.3.3", "fe80::1%eth0")


def test_addresses_are_bounded() -> None:
    assert len(by_preference(f"192.0.2.{number}" for number in range(1, 100))) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("listen_host", "expected"),
    [
        ("0.0.0.0", ("192.0.2.2",)),
        ("::", ("192.0.2.2", "2001:db8::2", "fe80::2")),
        ("127.0.0.1", ("127.0.0.1",)),
        ("192.0.2.2", ("192.0.2.2",)),
    ],
)
def test_what_is_announced_follows_from_where_the_daemon_listens(listen_host: str, expected: tuple[str, ...]) -> None:
    local = ("127.0.0.1", "::1", "192.0.2.2", "2001:db8::2", "fe80::2%eth0")
    assert announced(local, listen_host=listen_host) == expected


def test_loopback_is_announced_where_there_is_nothing_else() -> None:
    assert announced(("127.0.0.1", "::1"), listen_host="0.0.0.0") == ("127.0.0.1",)


def test_delays_double_to_a_bound_and_are_spread_over_their_upper_half() -> None:
    longest, shortest = Backoff(lambda: 1.0), Backoff(lambda: 0.0)
    delays_s = [longest.delay_s() for _ in range(9)]
    assert delays_s[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert delays_s[-1] == MOST_S
    assert [shortest.delay_s() for _ in range(9)] == [delay_s / 2 for delay_s in delays_s]
    longest.reset()
    assert longest.delay_s() == FIRST_S
