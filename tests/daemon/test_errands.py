"""What is encoded for a link leaves the event loop where that takes long."""

from __future__ import annotations

from threading import current_thread, main_thread
from typing import Any

import numpy as np
import pytest

from meshd.core.commands import Dispatch
from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass
from meshd.daemon.errands import Errands
from meshd.daemon.ledger import Entry, Ledger
from meshd.wire.messages import Infer, Message
from model_registry.encoding import Encoding
from tests.core.builders import hub, request
from tests.daemon.mesh import until

PICTURES = Encoding(codec="jpeg", quality=90, ratio=0.5)


class PictureCatalogue:
    """Knows models whose inputs bear JPEG."""

    def encodings_of_input(self, _model: str, _codec: str) -> dict[str, Encoding]:
        return {"pictures": PICTURES}


class OpenLink:
    """Takes everything."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, _node_id: str, message: Message, _parts: Any) -> bool:
        self.sent.append(message)
        return True


class Nobody:
    """Counts nothing, and hears everything."""

    def moved(self, _n_bytes: int) -> None:
        pass

    def feed(self, _event: Any) -> None:
        raise AssertionError("it was sent")


@pytest.mark.parametrize(("pictures", "is_beside"), [(1, False), (1024, True)])
async def test_pictures_are_encoded_one_by_one_and_many_small_ones_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, pictures: int, is_beside: bool
) -> None:
    threads: list[Any] = []

    def observed(*_args: Any) -> Any:
        threads.append(current_thread())
        return (), ()

    monkeypatch.setattr("meshd.daemon.errands.encode_tensors", observed)
    inputs = {"pictures": np.zeros((pictures, 3, 8, 8), np.uint8)}
    ledger, link, catalogue, nobody = Ledger(), OpenLink(), PictureCatalogue(), Nobody()
    ledger.open(Entry(request("r"), {}, (), memoryview(b""), inputs, []))
    errands = Errands(ledger, catalogue, link, nobody, nobody.feed)  # type: ignore[arg-type]
    errands.send(
        Dispatch(
            request_id=RequestId("r"),
            attempt=0,
            node_id=hub().node_id,
            start_tier=DeviceClass.HUB,
            deadline_s=1.0,
            via=(),
            codec="jpeg",
        )
    )
    await until(lambda: link.sent)
    assert [type(message) for message in link.sent] == [Infer]
    assert [thread is not main_thread() for thread in threads] == [is_beside]
