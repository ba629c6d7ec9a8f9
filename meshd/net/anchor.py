"""The certificate authority that anybody can be: its private key is the number one.

A node must hear every certificate and decide by the fingerprint. OpenSSL, as Python's ssl reaches it, has no way to
say "ask for a certificate and accept any": a server asks for one only if it also verifies it. So every certificate
of ours is issued by this authority, which vouches for nothing. TLS then proves that the other side holds the key of
its certificate, and :class:`meshd.net.session.Session` compares the fingerprint before it writes or reads a byte.
Decision: docs/decisions/0002-tls-pinning.md.
"""

NAME = "meshd: anybody"

PRIVATE_VALUE = 1
"""On the curve P-256; the public key is then the curve's base point."""

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBaTCCAQ6gAwIBAgIBATAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA5tZXNoZDog
YW55Ym9keTAgFw03MDAxMDIwMDAwMDBaGA85OTk5MTIzMTIzNTk1OVowGTEXMBUG
A1UEAwwObWVzaGQ6IGFueWJvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARr
F9Hy4SxCR/i85uVjpEDydwN9gS3rM6D0oTlF2JjClk/jQuL+Gn+bjufrSnwPnhYr
zjNXazFezsu2QGg3v1H1o0UwQzASBgNVHRMBAf8ECDAGAQH/AgEAMA4GA1UdDwEB
/wQEAwICBDAdBgNVHQ4EFgQUtGejmZ6176Zx3gAy8Iqcnl79oOEwCgYIKoZIzj0E
AwIDSQAwRgIhAOZj6mIp6xKw+qp0DT1bv2QxLRjrpaXATdzE5CMq3eAwAiEAvg/f
fYqXK40GyBrizISOMApKyJLQfIpKW73F22gEXos=
-----END CERTIFICATE-----
"""
