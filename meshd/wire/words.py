"""Words that others say in the messages of a request: none holds what a terminal would obey, or turns writing round.

They are looked at together. A pattern in the type of each would take half a microsecond a word, of which an answer has
nine or more; in the messages that come less often, patterns stand in the types.
"""

from __future__ import annotations

import re

from meshd.core.ids import NOT_IN_ONE_LINE
from meshd.errors import ProtocolError
from meshd.wire.messages import Infer, Result

_NOT_IN_ONE_LINE = re.compile(NOT_IN_ONE_LINE)


def check_words(message: Infer | Result) -> None:
    """Look at every word of a message that bears no pattern in its type.

    Raises:
        ProtocolError: one holds what it must not.
    """
    words = [message.model, *message.via] if isinstance(message, Infer) else _words_of(message)
    for header in message.tensors:
        words.append(header.name)
    said = "".join(words)
    # What can be printed holds none of it; a few things cannot, such as a space that does not break, and are no harm.
    if not said.isprintable() and _NOT_IN_ONE_LINE.search(said):
        raise ProtocolError(f"metadata of a {type(message).__name__} frame: a word is not one line of text.")


def _words_of(result: Result) -> list[str]:
    answer = result.answer
    words: list[str] = [answer.model, answer.version, answer.variant]
    for hop in answer.route:
        words += (hop.node_id, hop.node, hop.variant, hop.codec)
    return words
