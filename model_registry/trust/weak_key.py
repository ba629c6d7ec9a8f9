"""Public keys that anybody can sign with, and that libraries accept all the same."""

# All but the lowest byte of the field's prime, 2^255 - 19, and of the numbers beside it; little endian.
_PRIME = "ff" * 30 + "7f"
_SMALL_ORDER = frozenset(
    bytes.fromhex(encoding)
    for encoding in (
        "00" * 32,  # order 4
        "01" + "00" * 31,  # the neutral element
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
        "ec" + _PRIME,  # order 2
        "ed" + _PRIME,  # order 4 again, not reduced
        "ee" + _PRIME,  # the neutral element again, not reduced
    )
)


def is_weak(publisher: str) -> bool:
    """Tell whether a key, 64 hex digits, lies in the small subgroup of the curve.

    RFC 8032 lets such keys be, and OpenSSL verifies signatures under them: under the neutral element one signature is
    good for every message. The sign of x, the highest bit, changes nothing about a point's order.
    Source: the points whose eightfold is the neutral element; the test computes them.
    """
    encoded = bytes.fromhex(publisher)
    return encoded[:-1] + bytes([encoded[-1] & 0x7F]) in _SMALL_ORDER
