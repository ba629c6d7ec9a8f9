"""Performs what the scheduler commands, by the edges; what comes of it goes back as events."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, assert_never

from typing_extensions import Buffer

from meshd import log
from meshd.core import commands
from meshd.core.answer import Answer, Failure
from meshd.core.candidate import Observation
from meshd.core.events import Event, PeerRefused, PlanChosen, StageFailed, StageFinished
from meshd.core.ids import ModelName, NodeId, RequestId
from meshd.core.membership import Standing
from meshd.core.node import Telemetry
from meshd.core.policy import Policy
from meshd.daemon.chronicle import Chronicle
from meshd.daemon.intake import MAX_SENTENCE_LENGTH, refusal_of
from meshd.daemon.ledger import Asker, Entry, Ledger, Outputs
from meshd.daemon.vitals import Vitals
from meshd.documents import Unserved
from meshd.errors import InvalidInput, NoCandidate, PeerLost, UnknownModel
from meshd.executor.executor import Executor
from meshd.executor.stage import StageEnd, StageResult
from meshd.wire.messages import Cancel, Heartbeat, Infer, Message, Refusal, Result
from meshd.wire.tensors import encode_tensors

_NO_INDEX = -1


class Links(Protocol):
    """The sessions to peers; :class:`meshd.net.peering.Peering` is one."""

    def send(self, node_id: NodeId, message: Message, payload_parts: Sequence[Buffer] = ()) -> bool:
        """Send without waiting; False when there is no open session."""
        ...

    def broadcast(self, message: Message) -> None:
        """Send to every peer in session."""
        ...

    def drop(self, node_id: NodeId) -> None:
        """End the session with a peer that is silent, so that it is dialled anew."""
        ...


class Effects:
    """The hands of the scheduler."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        executor: Executor,
        links: Links,
        policy: Policy,
        chronicle: Chronicle,
        vitals: Vitals,
        telemetry: Callable[[], Telemetry],
        unserved: Callable[[], Mapping[ModelName, Unserved]],
        feed: Callable[[Event], None],
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._links = links
        self._policy = policy
        self._chronicle = chronicle
        self._vitals = vitals
        self._telemetry = telemetry
        self._unserved = unserved
        self._feed = feed
        self._beats = 0

    def perform(self, command: commands.Command) -> None:
        """Do what one command asks for."""
        match command:
            case commands.ChoosePlan():
                self._choose(command.observation)
            case commands.RunStage():
                self._run(command)
            case commands.DropStage():
                self._drop(command)
            case commands.Dispatch():
                self._dispatch(command)
            case commands.Recall():
                self._recall(command)
            case commands.Finish():
                self._finish(command)
            case commands.Announce():
                self._beats += 1
                self._links.broadcast(Heartbeat(sequence=self._beats, telemetry=command.telemetry))
            case commands.StandingChanged():
                self._standing_changed(command)
            case _:
                assert_never(command)

    def _standing_changed(self, command: commands.StandingChanged) -> None:
        self._chronicle.standing_changed(command.node_id, command.standing)
        if command.standing is Standing.DEAD:
            self._links.drop(command.node_id)

    def _choose(self, observation: Observation) -> None:
        self._feed(
            PlanChosen(
                request_id=observation.request_id,
                decision=observation.decision,
                index=self._chosen(observation),
                policy=self._policy.name,
            )
        )

    def _chosen(self, observation: Observation) -> int:
        """Return the policy's index, or one that is none: then the scheduler falls back to its heuristic at once."""
        try:
            return operator.index(self._policy.choose(observation))
        except Exception:  # noqa: BLE001 - a policy may come from elsewhere, and no defect of it costs an answer
            log.get_logger().exception(log.TASK_FAILED, task=f"policy {self._policy.name}")
            return _NO_INDEX

    def _run(self, command: commands.RunStage) -> None:
        entry = self._entry(command.request_id)
        tier = command.tier
        self._vitals.computed(tier.macs * entry.request.batch)
        done = partial(self._stage_ended, entry, command.attempt)
        key = (tier.model, tier.tier, tier.artifact)
        entry.stages[command.attempt] = self._executor.submit(key, entry.inputs, done)

    def _stage_ended(self, entry: Entry, attempt: int, end: StageEnd) -> None:
        request_id = entry.request.request_id
        if not isinstance(end, StageResult):
            self._feed(StageFailed(request_id=request_id, attempt=attempt, code=end.code, message=str(end)))
            return
        if not end.malformed:
            entry.outputs[attempt] = Outputs(*encode_tensors(end.outputs))
        self._feed(
            StageFinished(
                request_id=request_id,
                attempt=attempt,
                compute_s=end.compute_s,
                load_s=end.load_s,
                score=end.score,
                anomalous=end.anomalous,
                malformed=end.malformed,
            )
        )

    def _drop(self, command: commands.DropStage) -> None:
        if stage := self._entry(command.request_id).stages.get(command.attempt):
            stage.cancel()

    def _dispatch(self, command: commands.Dispatch) -> None:
        entry = self._entry(command.request_id)
        entry.out_at[command.node_id] = command
        request = entry.request
        message = Infer(
            request_id=request.request_id,
            model=request.model,
            tensors=entry.headers,
            deadline_s=command.deadline_s,
            priority=request.priority,
            privacy=request.privacy,
            min_tier=request.min_tier,
            start_tier=command.start_tier,
            via=command.via,
        )
        if not self._links.send(command.node_id, message, (entry.payload,)):
            self._refused_by_link(command)
            return
        self._vitals.moved(entry.request.input_bytes)

    def _refused_by_link(self, command: commands.Dispatch) -> None:
        self._feed(
            PeerRefused(
                request_id=command.request_id,
                attempt=command.attempt,
                node_id=command.node_id,
                code=PeerLost.code,
                message="there is no open session to it",
                telemetry=None,
            )
        )

    def _recall(self, command: commands.Recall) -> None:
        self._entry(command.request_id).out_at.pop(command.node_id, None)
        self._links.send(command.node_id, Cancel(request_id=command.request_id))

    def _finish(self, command: commands.Finish) -> None:
        entry = self._ledger.close(command.request_id)
        if entry is None:
            return
        message, parts = self._reply(entry, command)
        for asker in entry.askers:
            _tell(asker, command.request_id, message, parts)
        if isinstance(message, Result) and not entry.request.delegated:
            self._ledger.keep(entry, message, parts)
        self._chronicle.finished(entry.request, command.outcome)

    def _reply(self, entry: Entry, command: commands.Finish) -> tuple[Message, Sequence[Buffer]]:
        request_id, outcome = command.request_id, command.outcome
        telemetry = self._telemetry() if entry.request.delegated else None
        if isinstance(outcome, Answer):
            assert command.attempt is not None, "an answer comes from an attempt"
            outputs = entry.outputs[command.attempt]
            message = Result(request_id=request_id, answer=outcome, tensors=outputs.headers, telemetry=telemetry)
            return message, outputs.parts
        sentence = self._explained(outcome, entry.request.model)[:MAX_SENTENCE_LENGTH]
        return Refusal(request_id=request_id, code=outcome.code, message=sentence, telemetry=telemetry), ()

    def _explained(self, failure: Failure, model: ModelName) -> str:
        """Return why a request failed; where nobody runs its model, also what keeps this node from it."""
        lacks_host = failure.code in {UnknownModel.code, NoCandidate.code}
        if not (lacks_host and (unserved := self._unserved().get(model))):
            return failure.message
        return f"{failure.message}. {unserved.problem.sentence} {unserved.problem.hint}".rstrip()

    def _entry(self, request_id: RequestId) -> Entry:
        entry = self._ledger.get(request_id)
        assert entry is not None, "the scheduler commands only what is alive"
        return entry


def _tell(asker: Asker, request_id: RequestId, message: Message, parts: Sequence[Buffer]) -> None:
    """Answer an asker; with the reason, where the answer is larger than a frame may be."""
    try:
        asker.send(message, parts)
    except InvalidInput as error:
        asker.send(refusal_of(request_id, error), ())
