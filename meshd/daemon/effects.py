"""Performs what the scheduler commands, by the edges; what comes of it goes back as events."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from typing_extensions import Buffer

from meshd import log
from meshd.core import commands
from meshd.core.answer import Answer, Failure, Outcome
from meshd.core.candidate import Observation
from meshd.core.events import Event, PlanChosen
from meshd.core.ids import ModelName, RequestId
from meshd.core.membership import Standing
from meshd.core.mesh_view import MeshView
from meshd.core.node import Telemetry
from meshd.core.policy import Policy
from meshd.core.refusal import failure
from meshd.daemon.chronicle import Chronicle
from meshd.daemon.errands import Errands, Links
from meshd.daemon.intake import MAX_SENTENCE_LENGTH, refusal_of
from meshd.daemon.ledger import NO_OUTPUTS, Asker, Entry, Ledger, Outputs
from meshd.daemon.runs import Runs
from meshd.daemon.shares import children_of, outputs_of
from meshd.documents import Unserved
from meshd.errors import ExecutionFailed, InvalidInput, NoCandidate, UnknownModel
from meshd.policy.adaptation import Adapted
from meshd.policy.guard import Guard
from meshd.wire.messages import Heartbeat, Message, Refusal, Result

_NO_INDEX = -2
"""No candidate's, nor WAIT."""


class Effects:
    """The hands of the scheduler."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        runs: Runs,
        errands: Errands,
        links: Links,
        policy: Policy,
        view: MeshView,
        chronicle: Chronicle,
        telemetry: Callable[[], Telemetry],
        unserved: Callable[[], Mapping[ModelName, Unserved]],
        feed: Callable[[Event], None],
    ) -> None:
        self._ledger = ledger
        self._links = links
        self._policy = policy
        self._view = view
        self._chronicle = chronicle
        self._telemetry = telemetry
        self._unserved = unserved
        self._feed = feed
        self._beats = 0
        self._hands: Mapping[type[commands.Command], Callable[[Any], None]] = {
            commands.ChoosePlan: self._choose,
            commands.RunStage: runs.run,
            commands.RunBatch: runs.run_together,
            commands.WarmUp: runs.warm_up,
            commands.DropStage: runs.drop,
            commands.Dispatch: errands.send,
            commands.Recall: errands.call_back,
            commands.Fork: self._fork,
            commands.Finish: self._finish,
            commands.Announce: self._announce,
            commands.StandingChanged: self._standing_changed,
        }

    def perform(self, command: commands.Command) -> None:
        """Do what one command asks for."""
        self._hands[type(command)](command)

    def _announce(self, command: commands.Announce) -> None:
        self._beats += 1
        self._links.broadcast(Heartbeat(sequence=self._beats, telemetry=command.telemetry))
        if command.probed is not None:
            self._beats += 1
            probe = Heartbeat(sequence=self._beats, telemetry=command.telemetry)
            self._links.probe(command.probed, probe, command.probe_bytes)

    def _standing_changed(self, command: commands.StandingChanged) -> None:
        self._chronicle.standing_changed(command.node_id, command.standing)
        if command.standing is Standing.DEAD:
            self._links.drop(command.node_id)

    def _choose(self, command: commands.ChoosePlan) -> None:
        observation, policy = command.observation, self._policy
        index = self._chosen(observation)
        is_told = index != _NO_INDEX
        fallback = policy.fallback if isinstance(policy, Guard | Adapted) and is_told else None
        moved = policy.moved if isinstance(policy, Adapted) and is_told else ""
        self._chronicle.chose(index, guarded=fallback.why if fallback else "", is_moved=bool(moved))
        self._feed(
            PlanChosen(
                request_id=observation.request_id,
                decision=observation.decision,
                index=index,
                policy=policy.name,
                is_steady=policy.is_steady,
                note="; ".join(filter(None, (fallback.note if fallback else "", moved))),
            )
        )

    def _chosen(self, observation: Observation) -> int:
        """Return the policy's index, or one that is none: then the scheduler falls back to its heuristic at once."""
        try:
            return operator.index(self._policy.choose(observation, self._view, monotonic()))
        except Exception:  # noqa: BLE001 - a policy may come from elsewhere, and no defect of it costs an answer
            log.get_logger().exception(log.TASK_FAILED, task=f"policy {self._policy.name}")
            return _NO_INDEX

    def _fork(self, command: commands.Fork) -> None:
        parent = self._ledger[command.request_id]
        parent.forked = command.children
        for child in children_of(parent, command):
            self._ledger.open(child)

    def _finish(self, command: commands.Finish) -> None:
        entry = self._ledger.close(command.request_id)
        if entry is None:
            return
        self._teach(entry, command.outcome)
        if entry.parent is not None:
            _hand_up(entry, entry.parent, command)
            return
        outcome, outputs = _given(entry, command)
        message, parts = self._reply(entry, outcome, outputs)
        for asker in entry.askers:
            _tell(asker, command.request_id, message, parts)
        if isinstance(message, Result) and not entry.request.delegated:
            self._ledger.kept.add(command.request_id, entry.question, entry.payload, message, parts)
        self._chronicle.finished(entry.request, outcome, entry.codecs)

    def _teach(self, entry: Entry, outcome: Outcome) -> None:
        """Tell a policy that adapts what came of a request; what a peer has delegated is the peer's to learn from."""
        policy, request_id = self._policy, entry.request.request_id
        if not isinstance(policy, Adapted):
            return
        if entry.parent is not None or entry.request.delegated:
            policy.pass_over(request_id)
        elif isinstance(outcome, Answer):
            policy.answered(request_id, outcome.energy.joules, monotonic())
        else:
            policy.failed(request_id, outcome.code, monotonic())

    def _reply(self, entry: Entry, outcome: Outcome, outputs: Outputs) -> tuple[Message, Sequence[memoryview]]:
        request_id = entry.request.request_id
        telemetry = self._telemetry() if entry.request.delegated else None
        if isinstance(outcome, Answer):
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


def _given(entry: Entry, command: commands.Finish) -> tuple[Outcome, Outputs]:
    """Return how a request ends, with its outputs: an answer whose outputs do not come together is a failure."""
    if not isinstance(command.outcome, Answer):
        return command.outcome, NO_OUTPUTS
    try:
        return command.outcome, outputs_of(entry, command)
    except Exception:  # noqa: BLE001 - outputs of peers may be anything where no manifest is at hand, and someone waits
        log.get_logger().exception(log.TASK_FAILED, task=f"outputs of {command.request_id}")
        told = "the outputs of its parts do not fit together"
        return failure(ExecutionFailed, f"{told}: the nodes that ran them do not run the same model"), NO_OUTPUTS


def _hand_up(child: Entry, parent: Entry, command: commands.Finish) -> None:
    """Leave what a child gave with its parent, where it waits for its siblings."""
    parent.codecs += child.codecs
    if isinstance(command.outcome, Answer):
        parent.children[command.request_id] = outputs_of(child, command)


def _tell(asker: Asker, request_id: RequestId, message: Message, parts: Sequence[Buffer]) -> None:
    """Answer an asker; with the reason, where the answer is larger than a frame may be."""
    try:
        asker.send(message, parts)
    except InvalidInput as error:
        asker.send(refusal_of(request_id, error), ())
