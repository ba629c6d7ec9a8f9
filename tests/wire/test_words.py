"""No word of a request's messages is anything but one line of text."""

from typing import Any

import pytest
from msgspec.structs import replace

from meshd.core.answer import Answer
from meshd.errors import ProtocolError
from meshd.wire.frame import FrameReader, decode, encode
from meshd.wire.messages import Infer, Message, Result, TensorHeader
from tests.core.builders import answer_of, hub

HEADER = TensorHeader(name="ecg", dtype="float32", shape=(1,))
INFER = Infer(request_id="r", model="toy", tensors=(HEADER,), deadline_s=1.0, via=("f" * 64,))
(HOP,) = answer_of(hub()).route
ANSWER = replace(answer_of(hub()), route=(HOP, HOP))
OBEYED = ("\x1b[2J", "a\nb", "\x9b", "1\u202e.0", "fp16\u2066", "\u2028")


def arrived(message: Message) -> Message:
    reader, content = FrameReader(), b"".join(encode(message))
    reader.get_buffer()[: len(content)] = content
    (frame,) = reader.received(len(content))
    return decode(frame)


def result(answer: Answer = ANSWER, header: TensorHeader = HEADER) -> Result:
    return Result(request_id="r", answer=answer, tensors=(header,))


def messages(word: Any) -> list[Message]:
    """Return a request and an answer with this word in each place where one may be."""
    hops = [replace(HOP, **{field: word}) for field in ("node_id", "node", "variant", "codec")]
    return [
        replace(INFER, model=word),
        replace(INFER, via=("f" * 64, word.ljust(64, "f"))),
        replace(INFER, tensors=(HEADER, replace(HEADER, name=word))),
        result(header=replace(HEADER, name=word)),
        *(result(replace(ANSWER, **{field: word})) for field in ("model", "version", "variant")),
        *(result(replace(ANSWER, route=(HOP, hop))) for hop in hops),
    ]


@pytest.mark.parametrize("word", OBEYED)
def test_what_a_terminal_would_obey_is_refused_wherever_it_stands(word: str) -> None:
    for message in messages(word):
        with pytest.raises(ProtocolError, match="not one line of text"):
            arrived(message)


@pytest.mark.parametrize("word", ["kitchen", "Küche", "台所", "two words", "10\u00a0m", "👩\u200d🔧"])
def test_what_people_write_in_one_line_is_taken(word: str) -> None:
    for message in messages(word):
        assert arrived(message) == message
