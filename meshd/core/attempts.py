"""Begins and ends what is tried for a request: in the queue of this node, or at a peer."""

from __future__ import annotations

from math import inf

from meshd.core.books import Books
from meshd.core.candidate import Candidate
from meshd.core.commands import Dispatch, DropStage, Recall, RunStage
from meshd.core.encodings import is_lossy
from meshd.core.life import Attempt, Life, State, Step
from meshd.core.link import Link
from meshd.core.patience import elsewhere_s, patience_s, seconds_there, wait_for_rest_s, wait_s
from meshd.core.plan import RAW, Leg, Partial
from meshd.core.privacy import why_not_send_activations
from meshd.core.run_queue import Token, Waiting
from meshd.core.trip import Trip


class Attempts:
    """What is under way; ``Life.attempt`` is set from the beginning of one to its end, and at no other time."""

    def __init__(self, books: Books) -> None:
        self._view = books.view
        self._settings = books.settings
        self._queue = books.queue
        self._commands = books.commands
        self._numbers = books.numbers
        self.out = 0
        """How many are at a peer."""

    def run_here(self, life: Life, candidate: Candidate, number: int, now: float) -> Token | None:
        """Give a request a slot, or let it wait for one; return who was pushed out, which may be this one."""
        request, deadline_s, expected_s = life.request, life.deadline_s, self._expected_s(life, candidate)
        life.attempt = Attempt(number=number, candidate=candidate, since_s=now, until_s=deadline_s, legs=candidate.legs)
        life.look_s = inf
        life.advance(Step.PLAN_HERE)
        token = (request.request_id, number)
        then_to = candidate.legs[1].node_id if len(candidate.legs) > 1 else None
        if self._queue.start_at_once(token, expected_s, then_to=then_to):
            self._commands.append(self.started(life, now))
            return None
        return self._queue.push(
            Waiting(
                token=token,
                priority=request.priority,
                deadline_s=deadline_s,
                expected_s=expected_s,
                items=request.batch,
                then_to=then_to,
                tier=None if candidate.legs else candidate.tier,
            )
        )

    def started(self, life: Life, now: float) -> RunStage:
        """Note that a request got a slot, and return what is to be run."""
        attempt = life.attempt
        assert attempt is not None, "a queued request has an attempt"
        life.advance(Step.START)
        life.itinerary.queue_s += now - attempt.since_s
        request_id, tier, leg = life.request.request_id, attempt.candidate.tier, attempt.leg
        if leg is None:
            return RunStage(request_id=request_id, attempt=attempt.number, tier=tier)
        return RunStage(
            request_id=request_id,
            attempt=attempt.number,
            tier=tier,
            first=leg.first,
            last=leg.last,
            of=_input_of(life, leg),
        )

    def send(self, life: Life, candidate: Candidate, number: int, now: float) -> None:
        """Dispatch a request to a peer: whole, or the rest of it."""
        link, legs = self._view.link_to(candidate.node_id), candidate.legs
        trip = self._trip(life, candidate, link)
        attempt = Attempt(
            number=number,
            candidate=candidate,
            since_s=now,
            until_s=life.deadline_s if life.has_one_try else now + wait_s(life, trip),
            there=candidate.node_id,
            line_s=link.traffic.wait_s(now),
            crossing_s=trip.crossing_s,
            link_bytes=int(trip.n_bytes),
            legs=legs,
        )
        life.advance(Step.PLAN_THERE)
        self._dispatch(life, attempt, link, legs[0].transfer_s if legs else candidate.prediction.transfer_s, now)

    def hand_on(self, life: Life, ended: Attempt, now: float) -> None:
        """Give the rest of a plan, of which this node has run its part, to the node that is next."""
        legs = ended.legs[1:]
        link, n_bytes = self._view.link_to(legs[0].node_id), bytes_on_link(life, ended.candidate, legs[0])
        line_s = link.traffic.wait_s(now)
        attempt = Attempt(
            number=next(self._numbers),
            candidate=ended.candidate,
            since_s=now,
            until_s=now + wait_for_rest_s(self._settings, life, legs, now, line_s=line_s),
            there=legs[0].node_id,
            line_s=line_s,
            crossing_s=link.crossing_s(n_bytes),
            link_bytes=int(n_bytes),
            legs=legs,
        )
        life.advance(Step.HAND_ON)
        self._dispatch(life, attempt, link, legs[0].transfer_s, now)

    def why_not_hand_on(self, life: Life, leg: Leg) -> str | None:
        """Return why the rest of a plan may not go to the node that is next; none if it may.

        The plan may have been made elsewhere, and a while ago: every rule is asked again.
        """
        assert life.reached is not None, "only what has come somewhere is passed on"
        peer = self._view.peer(leg.node_id)
        if peer is None or not self._view.membership.is_usable(leg.node_id):
            return f"{leg.node}, which was to go on, is not there"
        if leg.node_id in life.request.via or leg.node_id in life.shunned:
            return f"{leg.node}, which was to go on, has had this request before"
        if not life.reached.tier.stages[leg.first - 1].may_travel:
            return f"what crosses before stage {leg.first} may not leave this node"
        if life.request.lossless and is_lossy(leg.codec, life.reached.tier.stages[leg.first - 1].ways):
            return (
                f"{leg.codec} loses something of what crosses before stage {leg.first}, and the asker wants every bit"
            )
        privacy, model = life.request.privacy, life.request.model
        stays = self._view.hosting.keeps_input(model) or not life.reached.tier.raw_input_may_leave
        return why_not_send_activations(privacy, peer.profile.device_class, input_stays=stays)

    def use_radio(self, life: Life, n_bytes: float, now: float) -> None:
        """Account for a way over this node's radio, in or out."""
        radio, power = self._view.radio, self._view.own.profile.power
        tail_joules = radio.lengthens_s(now) * power.radio_tail_watts
        life.itinerary.joules += power.radio_joules(int(n_bytes), radio.used(now)) + tail_joules

    def sent(self, life: Life, n_bytes: int) -> None:
        """Account for how many bytes were really sent for what is under way: how well a codec does was foretold."""
        assert life.attempt is not None, "what was sent was an attempt"
        byte_joules = self._view.own.profile.power.radio_joules_per_byte
        life.itinerary.joules += (n_bytes - life.attempt.link_bytes) * byte_joules

    def ended_there(self, life: Life) -> None:
        """Note that a peer has nothing of this request any more."""
        assert life.attempt is not None, "what has ended was an attempt"
        assert life.attempt.there is not None, "it was at a peer"
        self.out -= 1
        peer = self._view.peer(life.attempt.there)  # None once it is dead and forgotten.
        if peer is not None and peer.link is not None:
            peer.link.outstanding = max(0, peer.link.outstanding - 1)
            peer.link.traffic.ended(life.attempt.crossing_s)
        life.attempt = None

    def call_back(self, life: Life, now: float) -> None:
        """End whatever is under way for a request that has no children."""
        attempt = life.attempt
        if attempt is None:
            return
        request_id, number = life.request.request_id, attempt.number
        if life.state is State.QUEUED:
            self._queue.withdraw((request_id, number))
        elif life.state is State.RUNNING:
            self._commands.append(DropStage(request_id=request_id, attempt=number))
        elif attempt.there is not None:
            self._commands.append(Recall(request_id=request_id, attempt=number, node_id=attempt.there))
            self.ended_there(life)
            self._view.called_back(
                attempt.there, attempt.crossing_s, begins_s=attempt.since_s + attempt.line_s, now=now
            )
        life.attempt = None

    def _expected_s(self, life: Life, candidate: Candidate) -> float:
        """Return how long a slot of this node will be held, by what this node knows of itself."""
        own, tier, items = self._view.own, candidate.tier, life.request.batch
        if not candidate.legs:
            return own.load_s(tier, 0, len(tier.stages)) + own.item_s(tier, life.item_bytes) * items
        leg, spans = candidate.legs[0], own.times.spans(tier, life.item_bytes)
        return own.load_s(tier, leg.first, leg.last) + spans.seconds[leg.first][leg.last] * items

    def _trip(self, life: Life, candidate: Candidate, link: Link) -> Trip:
        """Return what is predicted of the way to a peer: what was reckoned before, for an offer that is taken up."""
        offer = life.offer
        if offer is not None and offer.trip is not None and offer.trip.candidate is candidate:
            return offer.trip
        assert life.choice is not None, "a candidate was chosen"
        observation, leg = life.choice.observation, candidate.legs[0] if candidate.legs else None
        n_bytes = bytes_on_link(life, candidate, leg)
        trip = Trip(
            candidate=candidate,
            patience_s=patience_s(self._settings, observation, candidate),
            elsewhere_s=elsewhere_s(observation, (candidate.node_id,)),
            n_bytes=n_bytes,
            crossing_s=link.crossing_s(n_bytes),
        )
        if offer is not None:
            offer.trip = trip
        return trip

    def _dispatch(self, life: Life, attempt: Attempt, link: Link, transfer_s: float, now: float) -> None:
        assert attempt.there is not None, "a dispatch has a receiver"
        life.attempt, life.look_s = attempt, attempt.until_s
        self.out += 1
        link.outstanding += 1
        link.traffic.sent(attempt.crossing_s, now)
        self.use_radio(life, attempt.link_bytes, now)
        tier, legs, request = attempt.candidate.tier, attempt.legs, life.request
        self._commands.append(
            Dispatch(
                request_id=request.request_id,
                attempt=attempt.number,
                node_id=attempt.there,
                start_tier=tier.tier,
                deadline_s=seconds_there(life.deadline_s - now, attempt.line_s + transfer_s),
                via=(*request.via, self._view.own.profile.node_id),
                codec=legs[0].codec if legs else attempt.candidate.codec,
                may_climb=request.may_climb,
                partial=Partial(artifact=tier.artifact, legs=legs) if legs else None,
                of=_input_of(life, legs[0]) if legs else None,
            )
        )


def _input_of(life: Life, leg: Leg) -> int | None:
    """Return the attempt whose tensors go into a leg; none where that is the request's own input."""
    return life.reached.attempt if leg.first and life.reached else None


def bytes_to_send(life: Life, leg: Leg | None) -> int:
    """Return the bytes of what goes into a leg, or into the whole, as they are before any encoding."""
    return life.reached.n_bytes if leg is not None and leg.first and life.reached else life.request.input_bytes


def bytes_on_link(life: Life, candidate: Candidate, leg: Leg | None) -> float:
    """Return about how many bytes are sent to a peer for what begins with this leg, encoded as the plan says."""
    tier, codec = candidate.tier, candidate.codec if leg is None else leg.codec
    ways = tier.stages[leg.first - 1].ways if leg is not None and leg.first else tier.ways
    ratio = 1.0 if codec == RAW else next((way.ratio for way in ways if way.codec == codec), 1.0)
    return bytes_to_send(life, leg) * ratio
