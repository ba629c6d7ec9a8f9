"""What passes over one node's desk: requests of clients and peers, and what is sent to peers for them.

As in a daemon (``meshd/daemon/intake.py``, ``errands.py``): whoever asks again under an id joins, and is refused if
something else is asked; what nobody waits for any more is withdrawn.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from meshd.core import commands, events
from meshd.core.answer import Answer, Failure, Outcome
from meshd.core.ids import RequestId
from meshd.core.node import Way
from meshd.core.plan import RAW
from meshd.core.request import Request
from meshd.errors import DuplicateRequest, PeerLost
from policies.simulator.agenda import Handled
from policies.simulator.held import CLIENT, Held
from policies.simulator.mail import Asked, Told, Withdrawn
from policies.simulator.terrain import number_of

if TYPE_CHECKING:
    from policies.simulator.device import Device
    from policies.simulator.world import World


_RESTS_AFTER_S = 0.005
"""Behind the last request that came."""


class Desk:
    """The live requests of one device."""

    def __init__(self, world: World, device: Device) -> None:
        self.held: dict[RequestId, Held] = {}
        self._world = world
        self._device = device
        self._handled_s = -inf
        """When the last of those that came will have been read and checked."""

    def holds(self, request: int) -> bool:
        """Tell whether something of an arrival is alive here."""
        return any(entry.number == request for entry in self.held.values())

    # -- what others ask ---------------------------------------------------------------------------------------------

    def arrive(self, request: Request, asker: int) -> None:
        """Take in a request of a client or a peer."""
        known = self.held.get(request.request_id)
        if known is None:
            self.held[request.request_id] = Held(
                request=request, number=number_of(request.request_id), arrived_s=self._world.now, askers=[asker]
            )
            self._handle(request)
        elif known.parent is None and known.request.partial == request.partial:
            known.askers = [*known.askers, asker]
        else:
            refusal = Failure(code=DuplicateRequest.code, message="another request has this id")
            self._reply(asker, request.request_id, refusal, n_bytes=0.0)

    def handled(self, request_id: RequestId) -> None:
        """Let the scheduler hear of a request, unless nobody waits for it any more."""
        known = self.held[request_id]
        if known.askers:
            self._device.feed(events.RequestArrived(request=known.request))
        else:
            del self.held[request_id]

    def withdraw(self, request_id: RequestId, asker: int) -> None:
        """Answer somebody no more."""
        known = self.held.get(request_id)
        if known is None or asker not in known.askers:
            return
        known.askers = [other for other in known.askers if other != asker]
        if not known.askers:
            self._device.feed(events.RequestCancelled(request_id=request_id))

    def withdraw_all(self, asker: int) -> None:
        """Answer a peer no more that is gone."""
        for request_id in list(self.held):
            self.withdraw(request_id, asker)

    def _handle(self, request: Request) -> None:
        """Read and check a request, behind those that came before."""
        node, now = self._world.terrain.nodes[self._device.place], self._world.now
        seconds = node.handling_s + node.handling_byte_s * request.input_bytes
        if now - self._handled_s > _RESTS_AFTER_S:
            seconds += node.waking_s
        if not seconds:
            self._device.feed(events.RequestArrived(request=request))
            return
        self._handled_s = max(now, self._handled_s) + seconds
        deed = Handled(place=self._device.place, life=self._device.life, request_id=request.request_id)
        self._world.agenda.put(self._handled_s, deed)

    # -- what is asked of others -------------------------------------------------------------------------------------

    def dispatch(self, command: commands.Dispatch) -> None:
        """Send a request, or the rest of its plan, to a peer."""
        entry = self.held[command.request_id]
        way, n_bytes = self._way_of(command, entry), entry.bytes_of(command.of)
        sent = replace(
            entry.request,
            deadline_s=command.deadline_s,
            start_tier=command.start_tier,
            via=command.via,
            may_climb=command.may_climb,
            partial=command.partial,
            input_bytes=n_bytes,
            link_bytes=int(n_bytes * way.ratio),
            plan="",
        )
        entry.out_at[command.node_id] = command
        half_s = way.seconds * entry.request.batch / 2.0
        peer, world = self._world.terrain.places[command.node_id], self._world
        is_open = world.wires.post(
            self._device.place,
            peer,
            Asked(request=sent, decode_s=half_s),
            n_bytes * way.ratio,
            entry.number,
            codec_s=2.0 * half_s,
        )
        if is_open:
            self._device.body.compute(half_s, entry.number)
        else:
            del entry.out_at[command.node_id]
            self._refused(command, Failure(code=PeerLost.code, message="there is no open session to it"), None)

    def recall(self, command: commands.Recall) -> None:
        """Tell a peer that its answer is not wanted any more."""
        entry = self.held.get(command.request_id)
        if entry is not None:
            entry.out_at.pop(command.node_id, None)
        peer, word = self._world.terrain.places[command.node_id], Withdrawn(request_id=command.request_id)
        self._world.wires.post(self._device.place, peer, word, 0.0, number_of(command.request_id))

    def hear(self, told: Told, peer: int) -> None:
        """Take in how a peer ended what was asked of it; nothing if it was called back."""
        entry, node_id = self.held.get(told.request_id), self._world.terrain.nodes[peer].node_id
        sent = entry.out_at.pop(node_id, None) if entry is not None else None
        if entry is None or sent is None:
            return
        if not isinstance(told.outcome, Answer):
            self._refused(sent, told.outcome, told)
            return
        way = self._way_of(sent, entry)
        n_bytes = int(entry.bytes_of(sent.of) * way.ratio)
        self._device.feed(
            events.PeerAnswered(
                request_id=told.request_id,
                attempt=sent.attempt,
                node_id=node_id,
                answer=told.outcome,
                transferred_bytes=n_bytes + self._result_bytes(entry.request),
                telemetry=told.telemetry,
                sent_bytes=n_bytes,
                codec_s=way.seconds * entry.request.batch / 2.0,
                codec=way.codec,
            )
        )

    def _refused(self, sent: commands.Dispatch, why: Failure, told: Told | None) -> None:
        self._device.feed(
            events.PeerRefused(
                request_id=sent.request_id,
                attempt=sent.attempt,
                node_id=sent.node_id,
                code=why.code,
                message=why.message,
                telemetry=told.telemetry if told is not None else None,
            )
        )

    def _way_of(self, command: commands.Dispatch, entry: Held) -> Way:
        """Return how what is sent is encoded, as the tiers that are hosted here say it."""
        if command.codec == RAW:
            return _RAW
        partial, model = command.partial, entry.request.model
        tiers = [hosted for hosted in self._device.profile.hosted if hosted.model == model]
        if partial is not None and (stage := partial.legs[0].first):
            alike = [hosted for hosted in tiers if hosted.artifact == partial.artifact]
            ways = [way for hosted in alike for way in hosted.stages[stage - 1].ways]
        else:
            ways = [way for hosted in tiers for way in hosted.ways]
        return next((way for way in ways if way.codec == command.codec), _RAW)

    # -- ends --------------------------------------------------------------------------------------------------------

    def fork(self, command: commands.Fork) -> None:
        """Open the children of a request."""
        parent = self.held[command.request_id]
        whole = parent.request
        for position, child in enumerate(command.children):
            items = command.items[position] if command.items else whole.batch
            part = replace(whole, request_id=child, batch=items, input_bytes=whole.input_bytes * items // whole.batch)
            self.held[child] = Held(
                request=part,
                number=parent.number,
                arrived_s=self._world.now,
                askers=[],
                parent=command.request_id,
            )

    def finish(self, command: commands.Finish) -> None:
        """Tell whoever asked."""
        entry = self.held.pop(command.request_id)
        outcome, is_answer = command.outcome, isinstance(command.outcome, Answer)
        n_bytes = self._result_bytes(entry.request) if is_answer else 0
        for asker in entry.askers:
            if asker == CLIENT:
                self._world.ended(self._device.place, entry, outcome)
            else:
                self._reply(asker, command.request_id, outcome, n_bytes=n_bytes)

    def _reply(self, asker: int, request_id: RequestId, outcome: Outcome, *, n_bytes: float) -> None:
        telemetry = self._device.mind.telemetry() if self._world.replies_tell else None
        told = Told(request_id=request_id, outcome=outcome, telemetry=telemetry)
        self._world.wires.post(self._device.place, asker, told, n_bytes, number_of(request_id))

    def _result_bytes(self, request: Request) -> int:
        return self._world.terrain.model(request.model).result_bytes * request.batch


_RAW = Way(codec=RAW, ratio=1.0)
