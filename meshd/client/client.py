"""The blocking client: plain sockets and no threads, so a call costs what the wire costs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from meshd.client.connection import Connection, Outcome
from meshd.client.conversation import (
    DEFAULT_DEADLINE_S,
    GRACE_S,
    ORDER_PATIENCE_S,
    Inputs,
    Options,
    Question,
    checked_options,
    hurried,
    infer_message,
    install_message,
    new_request_id,
    order_message,
    overdue,
    query_message,
    read_document,
    unreachable,
)
from meshd.client.endpoint import Endpoint
from meshd.client.result import Result
from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass
from meshd.core.request import Priority, Privacy
from meshd.documents import (
    Done,
    ManifestDocument,
    ModelsDocument,
    PeersDocument,
    StatusDocument,
    Taken,
    VerifyDocument,
)
from meshd.errors import DaemonUnreachable, LinkError, MeshError, PeerLeft, PeerLost, RequestError
from meshd.explain_document import ExplainDocument
from meshd.plan_document import PlanDocument, PlanQuestion
from meshd.wire.frame import encode
from meshd.wire.messages import EVERY_MODEL, Infer

if TYPE_CHECKING:
    from meshd.client.brought_bundle import BroughtBundle, Progress

_RETRY_S = 0.1
_QUERY_PATIENCE_S = 10.0

Asked = tuple[Question, list[memoryview]]
"""A message with its payload."""


class Client:
    """Talks to the daemon on this device; reconnects by itself and asks again under the same request id.

    Threads may share one; their calls then wait for each other.

    Example::

        with Client() as mesh:
            result = mesh.infer("ecg-anomaly", {"ecg": window}, deadline_s=0.5, privacy="household")
    """

    def __init__(
        self, endpoint: Endpoint | str | None = None, *, name: str = "", connect_timeout_s: float = 5.0
    ) -> None:
        self.endpoint = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint or Endpoint.default()
        self._name = name
        self._connect_timeout_s = connect_timeout_s
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._connected()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._disconnect()

    def infer(
        self,
        model: str,
        inputs: Inputs,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        priority: Priority | str = Priority.NORMAL,
        privacy: Privacy | str = Privacy.HOUSEHOLD,
        min_tier: DeviceClass | str | None = None,
        plan: str = "",
        lossless: bool = False,
        request_id: str | None = None,
    ) -> Result:
        """Run a model on arrays by input name and return its outputs.

        ``request_id`` makes the call idempotent: asked again under the same id, the daemon joins the request that
        is alive or repeats the answer it gave.
        ``plan`` names the one place to run at, as ``meshd plan`` writes it: ``kitchen``, or ``band 0-2, kitchen 2-4``.
        ``lossless`` lets nothing travel in a codec that loses anything, however much sooner that would be.

        Raises:
            RequestError: the request was refused or failed; each subclass says why and what to do.
            DaemonUnreachable: no daemon is there.
        """
        options = checked_options(deadline_s, priority, privacy, min_tier, plan, lossless=lossless)
        name = RequestId(request_id or new_request_id())
        with self._lock:
            outcome = self._ask(*infer_message(name, model, inputs, options), options)
        if isinstance(outcome, MeshError):
            raise outcome
        assert isinstance(outcome, Result), "an Infer is answered by a Result"
        return outcome

    def infer_many(
        self,
        model: str,
        items: Iterable[Inputs],
        *,
        in_flight: int = 16,
        deadline_s: float = DEFAULT_DEADLINE_S,
        priority: Priority | str = Priority.NORMAL,
        privacy: Privacy | str = Privacy.HOUSEHOLD,
        min_tier: DeviceClass | str | None = None,
        plan: str = "",
        lossless: bool = False,
    ) -> Iterator[Result | RequestError]:
        """Run a model on many inputs, several at once, and yield results in the order of the inputs.

        An item that fails yields its error in place of a result, so that one bad item does not cost the others.
        ``plan`` names the one place to run all of them at, and ``lossless`` forbids codecs, as for :meth:`infer`.

        Raises:
            DaemonUnreachable: no daemon is there.
        """
        options = checked_options(deadline_s, priority, privacy, min_tier, plan, lossless=lossless)
        rest = iter(items)
        while batch := [inputs for _, inputs in zip(range(in_flight), rest, strict=False)]:
            with self._lock:
                outcomes = self._ask_all(model, batch, options)
            for outcome in outcomes:
                if not isinstance(outcome, Result | RequestError):
                    assert isinstance(outcome, MeshError), "an Infer is answered by a Result"
                    raise outcome
                yield outcome

    def status(self) -> StatusDocument:
        """Return how the daemon is."""
        return read_document(self._read("status"), StatusDocument)

    def peers(self) -> PeersDocument:
        """Return the nodes that the daemon knows."""
        return read_document(self._read("peers"), PeersDocument)

    def models(self) -> ModelsDocument:
        """Return the models of the mesh, tier by tier, and where they run."""
        return read_document(self._read("models"), ModelsDocument)

    def manifest(self, model: str) -> ManifestDocument:
        """Return what a model of that daemon says about itself.

        Raises:
            RequestError: the daemon does not have it.
        """
        return read_document(self._read("manifest", {"model": model}), ManifestDocument)

    def plan(self, question: PlanQuestion) -> PlanDocument:
        """Return where a request would run and what every other way would take; nothing is run.

        Raises:
            RequestError: the daemon does not have the model, or has not met the node.
        """
        return read_document(self._read("plan", question.arguments), PlanDocument)

    def explain(self, request_id: str | None = None) -> ExplainDocument:
        """Return why a request went where it went; the latest one unless named."""
        arguments = {} if request_id is None else {"request_id": request_id}
        return read_document(self._read("explain", arguments), ExplainDocument)

    def install_model(
        self, path: str | os.PathLike[str], *, progress: Progress | None = None, patience_s: float = ORDER_PATIENCE_S
    ) -> Taken:
        """Bring a bundle, its folder or its manifest, to the daemon, which tries it and then hosts and lends it.

        Pieces that came before an interruption are not sent again.

        Raises:
            RequestError: the bundle is damaged (InvalidInput), not accepted or not runnable there (ModelRefused), or
                too large for the daemon's disk budget (NoRoom).
            DaemonUnreachable: no daemon is there.
        """
        from meshd.client.brought_bundle import BroughtBundle  # noqa: PLC0415 - most clients bring no models

        bundle = BroughtBundle(path, progress)
        return read_document(self._told(install_message(), [memoryview(bundle.text)], patience_s, bundle), Taken)

    def fetch_model(self, model: str, *, patience_s: float = ORDER_PATIENCE_S) -> Taken:
        """Have the daemon take over the newest version of a model that its peers lend.

        Raises:
            RequestError: nobody lends it (UnknownModel, NobodyHasIt), it is not accepted (ModelRefused), or does not
                fit (NoRoom).
        """
        return read_document(self._told(order_message("fetch", model), [], patience_s), Taken)

    def remove_model(self, model: str) -> Done:
        """Have the daemon host and keep a model no longer; it is not fetched again until somebody asks for that.

        Raises:
            UnknownModel: the daemon does not have it.
        """
        return read_document(self._told(order_message("remove", model), [], ORDER_PATIENCE_S), Done)

    def pin_model(self, model: str, *, pinned: bool = True) -> Done:
        """Have the daemon never remove a model to make room for others, or let it again.

        Raises:
            RequestError: the daemon does not have it, or its configuration pins it.
        """
        order = order_message("pin" if pinned else "unpin", model)
        return read_document(self._told(order, [], _QUERY_PATIENCE_S), Done)

    def reset_policy(self) -> Done:
        """Have the daemon forget what requests have taught its policy (``scheduler.adapt``)."""
        return read_document(self._told(order_message("reset", "policy"), [], _QUERY_PATIENCE_S), Done)

    def verify_models(self, model: str | None = None) -> VerifyDocument:
        """Have the daemon read a model's files again, or those of all, mend what is damaged, and return what it found.

        Raises:
            UnknownModel: the daemon does not have it.
        """
        return read_document(
            self._told(order_message("verify", model or EVERY_MODEL), [], ORDER_PATIENCE_S), VerifyDocument
        )

    def _read(self, subject: str, arguments: dict[str, str] | None = None) -> memoryview:
        return self._told(query_message(subject, arguments or {}), [], _QUERY_PATIENCE_S)

    def _told(
        self, message: Question, parts: list[memoryview], patience_s: float, bundle: BroughtBundle | None = None
    ) -> memoryview:
        """Ask for a document, serving what the daemon asks for meanwhile."""
        with self._lock:
            outcome = self._ask(message, parts, Options(deadline_s=patience_s), bundle)
        if isinstance(outcome, MeshError):
            raise outcome
        assert isinstance(outcome, memoryview), "only an Infer is answered by something else than a Document"
        return outcome

    def _ask(
        self, message: Question, parts: list[memoryview], options: Options, bundle: BroughtBundle | None = None
    ) -> Outcome:
        return self._exchange({message.request_id: (message, parts)}, options, bundle)[message.request_id]

    def _ask_all(self, model: str, batch: list[Inputs], options: Options) -> list[Outcome]:
        asked: dict[str, Asked] = {}
        refused: dict[str, Outcome] = {}
        order = [new_request_id() for _ in batch]
        for request_id, inputs in zip(order, batch, strict=True):
            try:
                asked[request_id] = infer_message(request_id, model, inputs, options)
            except RequestError as error:
                refused[request_id] = error
        outcomes = refused | self._exchange(asked, options)
        return [outcomes[request_id] for request_id in order]

    def _exchange(
        self, asked: dict[str, Asked], options: Options, bundle: BroughtBundle | None = None
    ) -> dict[str, Outcome]:
        """Send everything and wait for all outcomes; what a lost connection took is sent again on a new one."""
        due_s = time.monotonic() + options.deadline_s + GRACE_S
        outcomes: dict[str, Outcome] = {}
        connection = self._connected()
        waiting = asked
        while waiting:
            try:
                _converse(connection, waiting, outcomes, due_s, bundle)
                break
            except TimeoutError:
                self._disconnect()
                return outcomes | {name: overdue(name, options) for name in waiting if name not in outcomes}
            except (OSError, LinkError) as error:
                self._disconnect()
                if isinstance(error, LinkError) and not error.retryable:
                    raise
                connection = self._reconnected(due_s)
            except BaseException:  # Ctrl-C: nobody waits for these answers any more.
                connection.withdraw(name for name in waiting if name not in outcomes)
                self._disconnect()
                raise
            waiting = {name: question for name, question in waiting.items() if name not in outcomes}
        return outcomes

    def _reconnected(self, due_s: float) -> Connection:
        while True:
            try:
                return self._connected()
            except DaemonUnreachable:
                if time.monotonic() >= due_s:
                    raise
                time.sleep(_RETRY_S)

    def _connected(self) -> Connection:
        if self._connection is None:
            try:
                self._connection = Connection.open(self.endpoint, self._name, self._connect_timeout_s)
            except (OSError, PeerLeft, PeerLost) as error:
                raise unreachable(self.endpoint, error) from error
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _converse(
    connection: Connection,
    asked: dict[str, Asked],
    outcomes: dict[str, Outcome],
    due_s: float,
    bundle: BroughtBundle | None,
) -> None:
    """Send what the daemon gives credit for, take in outcomes, and go on so until all are there."""
    unsent, n_out = [*asked.values()], len(asked)
    while n_out:
        if unsent:
            unsent = _send_some(connection, unsent, due_s)
        for request_id, outcome in connection.receive(due_s, bundle):
            if request_id in asked and request_id not in outcomes:
                outcomes[request_id] = outcome
                n_out -= 1


def _send_some(connection: Connection, unsent: list[Asked], due_s: float) -> list[Asked]:
    """Send the first of several as far as there is credit, and return the rest."""
    frames: list[bytes | memoryview] = []
    left_s = due_s - GRACE_S - time.monotonic()
    n_sent = 0
    for message, parts in unsent:
        if isinstance(message, Infer) and not connection.allowance.take(sum(map(len, parts))):
            break
        frames += encode(hurried(message, left_s), parts)
        n_sent += 1
    connection.send(frames, due_s)
    return unsent[n_sent:]
