"""Serves clients: requests go to the intake, questions are answered with documents."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from meshd import log
from meshd.daemon.intake import Intake, refusal_of
from meshd.daemon.ledger import Asker
from meshd.daemon.models.installer import Installer
from meshd.daemon.questions import Questions
from meshd.daemon.reporter import Reporter
from meshd.errors import InternalError, MeshError
from meshd.net.session import Session
from meshd.wire.messages import Cancel, Document, Fetched, Infer, Install, Message, Order, Query, Refusal

COME_BACK_S = 60.0
"""How long the requests of a client that has gone go on: time to start anew and ask for them by their ids."""

_DEFECT = "this node met a defect of its own while it answered the question."
_REPORT = "Its log tells more; please report it."


class Reception:
    """Serves the sessions of clients on this device; the endpoint holds and ends them."""

    def __init__(self, intake: Intake, reporter: Reporter, installer: Installer) -> None:
        self._intake = intake
        self._reporter = reporter
        self._installer = installer
        self._questions = Questions(self._answer)
        self._log = log.get_logger()

    def welcome(self, session: Session) -> None:
        """Serve a session that was just opened, until it ends.

        Requests of a client that goes away go on for a while: it may come back and ask for them by their ids.
        """
        session.on_message = self._received
        session.on_closed = lambda closed, _error: self._gone(closed)

    def _gone(self, session: Session) -> None:
        self._installer.client_gone(session)
        self._intake.withdraw_later(session, COME_BACK_S)

    def _received(self, session: Session, message: Message, payload: memoryview) -> None:
        match message:
            case Infer():
                self._intake.take(Asker(session, session.send, session.owner), message, payload)
            case Cancel():
                self._intake.withdraw(session, message.request_id)
            case Query():
                self._ask(session, message)
            case Install() | Order() | Fetched() | Refusal():
                self._installer.client_message(session, message, payload)
            case _:
                self._log.warning(log.FRAME_REFUSED, address=session.address, kind=type(message).__name__)

    def _ask(self, session: Session, query: Query) -> None:
        try:
            self._questions.ask(session, query)
        except MeshError as error:
            session.send(refusal_of(query.request_id, error))

    def _answer(self, session: Session, query: Query) -> Iterator[None]:
        try:
            document = yield from self._reporter.document(query.subject, query.arguments)
            session.send(Document(request_id=query.request_id), (msgspec.json.encode(document),))
        except MeshError as error:
            session.send(refusal_of(query.request_id, error))
        except Exception:  # noqa: BLE001 - the task boundary: a defect costs the question it touches, and is told
            self._log.exception(log.TASK_FAILED, task=f"question {query.subject}")
            session.send(refusal_of(query.request_id, InternalError(_DEFECT, hint=_REPORT)))
