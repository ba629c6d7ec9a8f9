"""A daemon that says what it was told to say, over the real wire and a real socket."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from typing_extensions import override

from meshd.core.answer import Answer
from meshd.core.ids import NodeId
from meshd.wire.frame import FrameReader, decode, encode
from meshd.wire.messages import Credit, Document, Hello, Infer, Install, Order, Query, Refusal, Result
from meshd.wire.tensors import decode_tensors, encode_tensors


class FakeDaemon:
    """Serves prepared documents by subject, one prepared answer, or a refusal of everything."""

    def __init__(self) -> None:
        self.documents: dict[str, msgspec.Struct] = {}
        self.answer: Answer | None = None
        self.outputs: dict[str, Any] = {}
        self.asked: list[Query | Infer | Install | Order] = []
        self.inputs: dict[str, Any] = {}

    @contextmanager
    def serving(self, path: Path) -> Iterator[None]:
        """Listen on a unix socket until the context ends."""
        with socketserver.ThreadingUnixStreamServer(str(path), self._session()) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def _session(self) -> type[socketserver.BaseRequestHandler]:
        daemon = self

        class Session(socketserver.BaseRequestHandler):
            @override
            def handle(self) -> None:
                reader = FrameReader()
                while n_bytes := self.request.recv_into(reader.get_buffer()):
                    for frame in reader.received(n_bytes):
                        self.request.sendall(b"".join(daemon.reply(decode(frame), frame.payload)))

        return Session

    def reply(self, message: object, payload: memoryview) -> list[Any]:
        """Return the frame that answers a message."""
        match message:
            case Hello():
                hello = Hello(role="peer", name="fake", node_id=NodeId("ab" * 32))
                return [*encode(hello), *encode(Credit(payload_bytes=2**30))]
            case Query():
                self.asked.append(message)
                return self._document(message.request_id, message.subject)
            case Order():
                self.asked.append(message)
                return self._document(message.request_id, message.action)
            case Install():
                self.asked.append(message)
                return self._document(message.request_id, "install")
            case Infer():
                self.asked.append(message)
                self.inputs = {name: np.array(a) for name, a in decode_tensors(message.tensors, payload).items()}
                return self._result(message)
            case Credit():
                return []
            case _:
                raise AssertionError(f"no client sends {message}")

    def _document(self, request_id: str, subject: str) -> list[Any]:
        document = self.documents.get(subject)
        if document is None:
            return encode(Refusal(request_id=request_id, code="unknown_query", message="it is not known."))
        return encode(Document(request_id=request_id), [msgspec.json.encode(document)])

    def _result(self, infer: Infer) -> list[Any]:
        if self.answer is None:
            return encode(Refusal(request_id=infer.request_id, code="unknown_model", message="no such model."))
        headers, parts = encode_tensors(self.outputs)
        return encode(Result(request_id=infer.request_id, answer=self.answer, tensors=headers), parts)
