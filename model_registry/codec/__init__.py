"""Tensors made smaller for a link, and bounded on their way back: bytes and arrays only, no files, nothing of meshd.

The layout of what each codec makes stands in docs/decisions/0018-codecs.md.
"""

from model_registry.codec.codecs import available, decode, encode
from model_registry.codec.cost import seconds
from model_registry.codec.effect import measured
from model_registry.codec.encoded import MOST_BYTES, MOST_RATIO, Encoded
from model_registry.codec.suggestion import suggest

__all__ = ["MOST_BYTES", "MOST_RATIO", "Encoded", "available", "decode", "encode", "measured", "seconds", "suggest"]
