"""Shares of a batch that do not come together: the asker hears so, once."""

from typing import Any

import numpy as np
import pytest

from meshd.core.commands import Finish
from meshd.core.ids import RequestId
from meshd.core.node import Telemetry
from meshd.core.policy import LeastExpectedCost
from meshd.daemon.effects import Effects
from meshd.daemon.ledger import Asker, Entry, Ledger, Outputs, Tensors
from meshd.wire.messages import Message, Refusal
from meshd.wire.tensors import encode_tensors
from tests.core.builders import answer_of, hub, request

R, FIRST, SECOND = RequestId("r"), RequestId("r/0"), RequestId("r/1")
SOUND = {"score": np.zeros(4, np.float32)}


def outputs(tensors: Tensors) -> Outputs:
    return Outputs(tensors, *encode_tensors(tensors))


class Nobody:
    """Hears everything, and does nothing about it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def effects(ledger: Ledger) -> Effects:
    """Hands with nothing behind them but the requests that are held."""
    nobody: Any = Nobody()
    return Effects(
        ledger=ledger,
        runs=nobody,
        errands=nobody,
        links=nobody,
        policy=LeastExpectedCost(),
        view=nobody,
        chronicle=nobody,
        telemetry=Telemetry,
        unserved=dict,
        feed=nobody.feed,
    )


@pytest.mark.parametrize(
    "given",
    [
        {SECOND: outputs({"other": np.zeros(4, np.float32)})},
        {SECOND: outputs({"score": np.zeros((2, 2), np.float32)})},
        {SECOND: outputs({"score": np.zeros((), np.float32)})},
        {},
    ],
    ids=["another name", "another rank", "no axis", "none at all"],
)
def test_outputs_that_cannot_be_joined_end_in_a_typed_failure(given: dict[RequestId, Outputs]) -> None:
    told: list[Message] = []

    def tell(message: Message, parts: Any) -> None:
        assert not parts
        told.append(message)

    entry = Entry(request("r", batch=8), {}, (), memoryview(b""), {}, [Asker("client", tell, "local")])
    entry.forked, entry.children = (FIRST, SECOND), {FIRST: outputs(SOUND), **given}
    ledger = Ledger()
    ledger.open(entry)
    effects(ledger).perform(Finish(request_id=R, outcome=answer_of(hub()), attempt=1))
    (refusal,) = told
    assert isinstance(refusal, Refusal)
    assert (refusal.request_id, refusal.code) == (R, "execution_failed")
