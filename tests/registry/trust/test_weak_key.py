"""The keys under which anybody can sign are exactly the points of small order."""

from itertools import product

import pytest

from model_registry.trust.weak_key import is_weak
from tests.registry.trust.test_signature import KEY, ORDER

PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME
Point = tuple[int, int]


def decoded(encoding: bytes) -> Point | None:
    """The point that 32 bytes mean, by RFC 8032, section 5.1.3, but not asking that y be reduced."""
    number = int.from_bytes(encoding, "little")
    y, sign = number % 2**255 % PRIME, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if (x * x - square) % PRIME:
        return None
    return (x if x % 2 == sign else -x % PRIME), y


def plus(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    both = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + both, -1, PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - both, -1, PRIME)
    return x % PRIME, y % PRIME


def times(factor: int, point: Point) -> Point:
    found = (0, 1)
    for bit in f"{factor:b}":
        found = plus(found, found)
        found = plus(found, point) if bit == "1" else found
    return found


def small_order() -> set[bytes]:
    """Every encoding of the eight points: multiplied by the group's order, any point lands on one of them."""
    landed = {times(ORDER, point) for y in range(2, 40) if (point := decoded(y.to_bytes(32, "little")))}
    ys = {y for _, y in landed}
    numbers = [y + more * PRIME for y, more in product(ys, (0, 1)) if y + more * PRIME < 2**255]
    return {(number + (sign << 255)).to_bytes(32, "little") for number, sign in product(numbers, (0, 1))}


def test_every_encoding_of_a_point_of_small_order_is_weak() -> None:
    found = small_order()
    assert len(found) == 14
    assert all(is_weak(encoding.hex()) for encoding in found)


@pytest.mark.parametrize("publisher", [KEY.publisher, "66" * 32, "02" + "00" * 31])
def test_any_other_key_is_not(publisher: str) -> None:
    assert not is_weak(publisher)
