"""Tensors made smaller for a link, and bounded on their way back: bytes and arrays only, no files, nothing of meshd.

What a manifest should say of a codec is found by `codec.suggestion` and `codec.effect`, which no daemon loads.
The layout of what each codec makes stands in docs/decisions/0018-codecs.md.
"""

from model_registry.codec.codecs import available, decode, encode
from model_registry.codec.cost import seconds
from model_registry.codec.encoded import MOST_BYTES, MOST_RATIO, Encoded

__all__ = ["MOST_BYTES", "MOST_RATIO", "Encoded", "available", "decode", "encode", "seconds"]
