"""What clients make of an asker's words before they are sent, and of a daemon's before they are raised."""

from __future__ import annotations

import numpy as np
import pytest

from meshd.client.conversation import checked_options, understand
from meshd.client.result import Result
from meshd.core.ids import RequestId
from meshd.wire.messages import Refusal
from tests.client.conftest import ANSWER


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("watch 0-4,hub 4-5", "watch 0-4, hub 4-5"),
        ("watch 0-1 ,  phone 1-4, hub 4-5", "watch 0-1, phone 1-4, hub 4-5"),
        ("watch x3,hub x5", "watch x3, hub x5"),
        ("a,b", "a,b"),
        ("", ""),
    ],
)
def test_a_place_may_be_spelled_with_and_without_blanks(said: str, meant: str) -> None:
    assert checked_options(1.0, "normal", "household", None, said).plan == meant


def test_who_was_answered_too_late_is_told_what_to_do_next() -> None:
    refusal = Refusal(request_id="r1", code="deadline_exceeded", message="no answer within 0.003 s")
    ended = understand(refusal, b"")
    assert ended is not None
    assert str(ended[1]) == ("no answer within 0.003 s. Give it more time; `meshd explain` shows where the time went.")


def test_a_result_is_shown_by_the_form_of_its_outputs() -> None:
    outputs = {"scores": np.zeros((1, 1000), np.float32)}
    shown = repr(Result(request_id=RequestId("r1"), outputs=outputs, answer=ANSWER))
    assert shown == f"Result(request_id='r1', outputs={{scores: float32[1, 1000]}}, answer={ANSWER!r})"
