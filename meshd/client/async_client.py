"""The asyncio client: one connection, any number of requests in flight."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from typing_extensions import Buffer

from meshd.client.conversation import (
    DEFAULT_DEADLINE_S,
    GRACE_S,
    ORDER_PATIENCE_S,
    Inputs,
    Options,
    Question,
    checked_options,
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
from meshd.client.line import Line
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
from meshd.errors import RequestError
from meshd.explain_document import ExplainDocument
from meshd.plan_document import PlanDocument, PlanQuestion
from meshd.wire.messages import EVERY_MODEL

if TYPE_CHECKING:
    from meshd.client.brought_bundle import Progress

_QUERY_PATIENCE_S = 10.0


class AsyncClient:
    """Talks to the daemon on this device; reconnects by itself and asks again under the same request id.

    Example::

        async with AsyncClient() as mesh:
            result = await mesh.infer("ecg-anomaly", {"ecg": window}, deadline_s=0.5)
    """

    def __init__(
        self, endpoint: Endpoint | str | None = None, *, name: str = "", connect_timeout_s: float = 5.0
    ) -> None:
        self.endpoint = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint or Endpoint.default()
        self._line = Line(self.endpoint, name=name, connect_timeout_s=connect_timeout_s)

    async def __aenter__(self) -> Self:
        await self._line.connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection for good; requests in flight fail with Cancelled."""
        await self._line.close()

    async def infer(
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
        return await self._infer(RequestId(request_id or new_request_id()), model, inputs, options)

    async def infer_many(
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
    ) -> AsyncIterator[Result | RequestError]:
        """Run a model on many inputs, several at once, and yield results in the order of the inputs.

        An item that fails yields its error in place of a result, so that one bad item does not cost the others.
        ``plan`` and ``lossless`` mean the same as for :meth:`infer`.

        Raises:
            DaemonUnreachable: no daemon is there.
        """
        options = checked_options(deadline_s, priority, privacy, min_tier, plan, lossless=lossless)
        waiting: list[asyncio.Task[Result | RequestError]] = []

        async def one(inputs: Inputs) -> Result | RequestError:
            try:
                return await self._infer(new_request_id(), model, inputs, options)
            except RequestError as error:
                return error

        try:
            for inputs in items:
                waiting.append(asyncio.create_task(one(inputs)))
                if len(waiting) >= in_flight:
                    yield await waiting.pop(0)
            while waiting:
                yield await waiting.pop(0)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def status(self) -> StatusDocument:
        """Return how the daemon is."""
        return read_document(await self._read("status"), StatusDocument)

    async def peers(self) -> PeersDocument:
        """Return the nodes that the daemon knows."""
        return read_document(await self._read("peers"), PeersDocument)

    async def models(self) -> ModelsDocument:
        """Return the models of the mesh, tier by tier, and where they run."""
        return read_document(await self._read("models"), ModelsDocument)

    async def manifest(self, model: str) -> ManifestDocument:
        """Return what a model of that daemon says about itself.

        Raises:
            RequestError: the daemon does not have it.
        """
        return read_document(await self._read("manifest", {"model": model}), ManifestDocument)

    async def plan(self, question: PlanQuestion) -> PlanDocument:
        """Return where a request would run and what every other way would take; nothing is run.

        Raises:
            RequestError: the daemon does not have the model, or has not met the node.
        """
        return read_document(await self._read("plan", question.arguments), PlanDocument)

    async def explain(self, request_id: str | None = None) -> ExplainDocument:
        """Return why a request went where it went; the latest one unless named."""
        arguments = {} if request_id is None else {"request_id": request_id}
        return read_document(await self._read("explain", arguments), ExplainDocument)

    async def install_model(
        self, path: str | os.PathLike[str], *, progress: Progress | None = None, patience_s: float = ORDER_PATIENCE_S
    ) -> Taken:
        """Bring a bundle, its folder or its manifest, to the daemon, which tries it and then hosts and lends it.

        Pieces that came before an interruption are not sent again.

        Raises:
            RequestError: the bundle is damaged (InvalidInput), not accepted or not runnable there (ModelRefused), or
                too large for the daemon's disk budget (NoRoom).
            DaemonUnreachable: no daemon is there, or it did not finish in time.
        """
        from meshd.client.brought_bundle import BroughtBundle  # noqa: PLC0415 - most clients bring no models

        bundle = await asyncio.to_thread(BroughtBundle, path, progress)
        with self._line.bringing(bundle):
            return read_document(await self._told(install_message(), (bundle.text,), patience_s), Taken)

    async def fetch_model(self, model: str, *, patience_s: float = ORDER_PATIENCE_S) -> Taken:
        """Have the daemon take over the newest version of a model that its peers lend.

        Raises:
            RequestError: nobody lends it (UnknownModel, NobodyHasIt), it is not accepted (ModelRefused), or does not
                fit (NoRoom).
        """
        return read_document(await self._told(order_message("fetch", model), (), patience_s), Taken)

    async def remove_model(self, model: str) -> Done:
        """Have the daemon host and keep a model no longer; it is not fetched again until somebody asks for that.

        Raises:
            UnknownModel: the daemon does not have it.
        """
        return read_document(await self._told(order_message("remove", model), (), ORDER_PATIENCE_S), Done)

    async def pin_model(self, model: str, *, pinned: bool = True) -> Done:
        """Have the daemon never remove a model to make room for others, or let it again.

        Raises:
            RequestError: the daemon does not have it, or its configuration pins it.
        """
        order = order_message("pin" if pinned else "unpin", model)
        return read_document(await self._told(order, (), _QUERY_PATIENCE_S), Done)

    async def reset_policy(self) -> Done:
        """Have the daemon forget what requests have taught its policy (``scheduler.adapt``)."""
        return read_document(await self._told(order_message("reset", "policy"), (), _QUERY_PATIENCE_S), Done)

    async def verify_models(self, model: str | None = None) -> VerifyDocument:
        """Have the daemon read a model's files again, or those of all, mend what is damaged, and return what it found.

        Raises:
            UnknownModel: the daemon does not have it.
        """
        return read_document(
            await self._told(order_message("verify", model or EVERY_MODEL), (), ORDER_PATIENCE_S), VerifyDocument
        )

    async def _infer(self, name: RequestId, model: str, inputs: Inputs, options: Options) -> Result:
        message, parts = infer_message(name, model, inputs, options)
        try:
            async with asyncio.timeout(options.deadline_s + GRACE_S):
                answer = await self._line.ask(message, parts)
        except TimeoutError:
            raise overdue(name, options) from None
        assert isinstance(answer, Result), "an Infer is answered by a Result"
        return answer

    async def _read(self, subject: str, arguments: dict[str, str] | None = None) -> memoryview:
        return await self._told(query_message(subject, arguments or {}), (), _QUERY_PATIENCE_S)

    async def _told(self, message: Question, parts: Sequence[Buffer], patience_s: float) -> memoryview:
        """Ask for a document."""
        try:
            async with asyncio.timeout(patience_s):
                content = await self._line.ask(message, parts)
        except TimeoutError:
            raise unreachable(self.endpoint, f"it did not answer within {patience_s:g} s") from None
        assert isinstance(content, memoryview), "only an Infer is answered by something else than a Document"
        return content
