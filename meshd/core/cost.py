"""What a candidate would take, in seconds and joules, its escalations included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import erfc, inf, sqrt

from msgspec import Struct

from meshd.core.candidate import Prediction
from meshd.core.course import Course
from meshd.core.encodings import Passage
from meshd.core.handling import Cuts
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView
from meshd.core.plan import RAW
from meshd.core.request import Request
from meshd.core.settings import Settings
from meshd.core.station import Part, Station
from meshd.core.terms import Terms


class Onward(Struct, frozen=True, kw_only=True):
    """The expected price of everything that follows if a tier escalates."""

    seconds: float = 0.0
    deviation_s: float = 0.0
    joules: float = 0.0
    own_joules: float = 0.0
    weighted_joules: float = 0.0

    @classmethod
    def of(cls, prediction: Prediction) -> Onward:
        """Escalating means to pay for this prediction as well."""
        return cls(
            seconds=prediction.total_s,
            deviation_s=prediction.deviation_s,
            joules=prediction.joules,
            own_joules=prediction.own_joules,
            weighted_joules=prediction.weighted_joules,
        )


NOTHING_ONWARD = Onward()


class Here(Struct, frozen=True, kw_only=True):
    """What a request of some urgency would meet on this node."""

    is_full: bool
    wait_s: float
    alive: int = 0
    """Stages that run or wait here."""
    bound_for: Mapping[NodeId, int] = {}
    """How many of them give something that is to travel to a peer."""


class CostModel:
    """Predicts the candidates of one request at one moment; pure arithmetic, no decisions."""

    def __init__(
        self,
        view: MeshView,
        settings: Settings,
        request: Request,
        here: Here,
        *,
        item_bytes: float,
        remaining_s: float,
        now: float,
    ) -> None:
        """``item_bytes`` has the input of one item; longer ones take longer."""
        self.view = view
        self.request = request
        self.item_bytes = item_bytes
        self.here = here
        self.now = now
        self._settings = settings
        self.price_watts = settings.price_watts(request.priority)
        """What a second of this request costs, on the scale of joules."""
        self.delay_watts = settings.latency_price_watts
        """What a second costs by which others are delayed, whoever they are."""
        self._remaining_s = remaining_s
        self._is_own_asleep = bool(view.radio.wakes(now))
        self._own = self._terms(view.own)
        self._known_terms: dict[NodeId, Terms] = {view.own.profile.node_id: self._own}

    def whole(self, node: NodeView, hosted: HostedTier, onward: Onward) -> tuple[Prediction, str]:
        """Return what it takes to start the request with this tier on this node, and the codec of its input."""
        course, codec = self.whole_course(node, hosted, self.request.batch)
        return self.priced(course, hosted, onward), codec

    def whole_course(self, node: NodeView, hosted: HostedTier, items: int) -> tuple[Course, str]:
        """Return the course of so many of the request's items that one node runs whole."""
        terms, link = self.terms(node), node.link
        item_s = node.item_s(hosted, self.item_bytes)
        compute_s, deviation_s = item_s * items, node.item_deviation_s(hosted, self.now, self.item_bytes) * items
        transfer_s, line_delay_s, variance, codec = 0.0, 0.0, deviation_s * deviation_s, RAW
        joules = node.profile.power.compute_joules(hosted.macs * items)
        own_joules, weighted_joules = joules, joules * terms.weight
        if link is not None:
            passage = self.input_passage(node, hosted, items)
            transfer_s, n_bytes, codec = passage.seconds, passage.n_bytes, passage.codec
            behind = link.waiting(self.now) + self.here.bound_for.get(node.profile.node_id, 0)
            line_delay_s = link.crossing_s(n_bytes) * behind if behind else 0.0
            variance += (transfer_s * link.spread(n_bytes, self.now)) ** 2
            own = self._own
            sent_joules, got_joules = own.radio_joules(n_bytes), terms.radio_joules(n_bytes)
            joules += sent_joules + got_joules
            own_joules = sent_joules
            weighted_joules += sent_joules * own.weight + got_joules * terms.weight
        load_s, load_joules = self.load_s(node, hosted), 0.0
        if load_s:
            cold_joules = node.load_joules(load_s)
            load_joules = cold_joules * terms.weight
            joules += cold_joules
            own_joules += cold_joules if link is None else 0.0
            weighted_joules += load_joules
        course = Course(
            queue_s=terms.wait_s(item_s),
            load_s=load_s,
            forgone_joules=self._forgone_joules(node, hosted, load_s) if load_s else 0.0,
            compute_s=compute_s,
            transfer_s=transfer_s,
            handling_s=self.handling_s(node, hosted, (), compute_s + transfer_s, items),
            delay_s=compute_s * terms.crowd + line_delay_s,
            variance=variance,
            joules=joules,
            own_joules=own_joules,
            weighted_joules=weighted_joules,
            load_joules=load_joules,
        )
        return course, codec

    def whole_bounds(self, hosts: Iterable[tuple[NodeView, HostedTier]]) -> list[float]:
        """Return what a whole run on each node costs at least, apart from what is the same for all nodes of a tier.

        It is computed for a thousand nodes where only the best few are priced: no encoding, no risk, no calls. This
        node and the one that the asker named come first.
        """
        request, price_watts = self.request, self.price_watts
        items, n_bytes, named = request.batch, request.input_bytes, request.plan
        bounds: list[float] = []
        for node, hosted in hosts:
            link, profile, telemetry = node.link, node.profile, node.telemetry
            if link is None or profile.name == named:
                bounds.append(-inf)
                continue
            known, power, alive = node.learned.get(hosted.artifact), profile.power, link.outstanding
            item_s = hosted.compute_s if known is None else known.mean
            if hosted.sizes:
                item_s *= hosted.growth_at(self.item_bytes)
            said_s = telemetry.backlog_s - (self.now - node.heard_s)
            sent_s = alive * item_s / profile.slots
            line_s = link.traffic.wait_s(self.now) if alive else 0.0
            seconds = link.transfer_s(n_bytes) + max(sent_s, said_s, line_s)
            if said_s > 0.0:
                alive = max(alive, telemetry.queued + telemetry.running)
            seconds += item_s * items * (1.0 + alive / profile.slots)
            busy_s = hosted.macs * items / power.macs_per_s
            if hosted.artifact not in telemetry.warm and hosted.artifact not in node.loading.forgone:
                seconds += hosted.load_s
                busy_s += hosted.load_s
            joules = busy_s * power.active_watts + n_bytes * power.radio_joules_per_byte
            if power.battery_joules is None or telemetry.charging:
                joules *= self._settings.mains_joule_weight
            bounds.append(joules + seconds * price_watts)
        return bounds

    def terms(self, node: NodeView) -> Terms:
        """Return the terms of a node: what anything there would meet and cost now."""
        node_id = node.profile.node_id
        terms = self._known_terms.get(node_id)
        if terms is None:
            terms = self._known_terms[node_id] = self._terms(node)
        return terms

    def _terms(self, node: NodeView) -> Terms:
        profile = node.profile
        is_asleep = self._is_own_asleep if node.link is None else not node.telemetry.radio_awake
        return Terms(
            node=node,
            said_s=self.wait_s(node, 0.0),
            outstanding=node.link.outstanding if node.link is not None else 0,
            slots=profile.slots,
            crowd=self.crowd(node),
            weight=node.weight(self._settings),
            wake_joules=profile.power.radio_use_joules(is_asleep=is_asleep),
            byte_joules=profile.power.radio_joules_per_byte,
        )

    def station(self, node: NodeView, hosted: HostedTier) -> Station:
        """Return a node as a place for stages of a variant that can be cut."""
        terms, spans, items = self.terms(node), node.times.spans(hosted, self.item_bytes), self.request.batch
        head_loads_s, tail_loads_s = node.end_loads_s(hosted)
        return Station(
            node=node,
            hosted=hosted,
            items=items,
            seconds=spans.seconds,
            work=spans.work,
            said_s=terms.said_s,
            sent_items=terms.outstanding / terms.slots,
            crowd=terms.crowd,
            head_loads_s=head_loads_s,
            tail_loads_s=tail_loads_s,
            weight=terms.weight,
            load_watts=node.load_joules(1.0) * terms.weight,
            work_joules=node.profile.power.compute_joules(hosted.macs * items),
            wake_joules=terms.wake_joules,
            byte_joules=terms.byte_joules,
        )

    def legs(self, parts: Sequence[Part], own: Station, onward: Onward) -> Prediction:
        """Return what stages over several nodes take, one after the other.

        Who waits at a node when the request is planned is worked off while the parts before it run.
        """
        queue_s = load_s = compute_s = transfer_s = delay_s = variance = 0.0
        joules = own_joules = weighted_joules = load_joules = 0.0
        before = own
        for part in parts:
            station, passage, first, last = part.station, part.passage, part.first, part.last
            node, hosted, items, item_s = station.node, station.hosted, station.items, station.seconds[first][last]
            wait_s = max(station.said_s, station.sent_items * item_s)
            queue_s += max(0.0, wait_s - (queue_s + load_s + compute_s + transfer_s))
            if passage is not None:
                link, n_bytes = node.link, passage.n_bytes
                spread = link.spread(n_bytes, self.now) if link is not None else 0.0
                transfer_s += passage.seconds
                if link is not None and (behind := link.waiting(self.now)):
                    delay_s += link.crossing_s(n_bytes) * behind
                variance += (passage.seconds * spread) ** 2
                sent_joules, got_joules = before.radio_joules(n_bytes), station.radio_joules(n_bytes)
                joules += sent_joules + got_joules
                own_joules += sent_joules if before is own else 0.0
                weighted_joules += sent_joules * before.weight + got_joules * station.weight
            run_s, run_joules = item_s * items, station.run_joules(first, last)
            deviation_s = node.times.deviation_s(hosted, first, last, self.now, self.item_bytes) * items
            if cold_s := node.load_s(hosted, first, last):
                load_s += cold_s
                cold_joules = node.load_joules(cold_s)
                load_joules += cold_joules * station.weight
                run_joules += cold_joules
            compute_s += run_s
            delay_s += run_s * station.crowd
            variance += deviation_s * deviation_s
            joules += run_joules
            own_joules += run_joules if station is own else 0.0
            weighted_joules += run_joules * station.weight
            before = station
        course = Course(
            queue_s=queue_s,
            load_s=load_s,
            compute_s=compute_s,
            transfer_s=transfer_s,
            handling_s=self.handling_s(
                parts[-1].station.node,
                own.hosted,
                tuple([part.first for part in parts if part.first]),
                compute_s + transfer_s,
            ),
            delay_s=delay_s,
            variance=variance,
            joules=joules,
            own_joules=own_joules,
            weighted_joules=weighted_joules,
            load_joules=load_joules,
        )
        return self.priced(course, own.hosted, onward)

    def priced(self, course: Course, hosted: HostedTier, onward: Onward) -> Prediction:
        """Return a course with what may follow it, on the scale of joules."""
        settings = self._settings
        rate = 0.0 if onward is NOTHING_ONWARD else self.view.escalations.rate(hosted, self.now)
        escalation_s = rate * onward.seconds
        total_s = course.until_s + escalation_s
        deviation_s = sqrt(course.variance + (rate * onward.deviation_s) ** 2)
        miss = _probability_above(self._remaining_s, total_s, deviation_s)
        weighted = course.weighted_joules + rate * onward.weighted_joules
        seconds_cost = self.price_watts * total_s + self.delay_watts * course.delay_s
        return Prediction(
            queue_s=course.queue_s,
            load_s=course.load_s,
            compute_s=course.compute_s,
            transfer_s=course.transfer_s,
            escalation_s=escalation_s,
            deviation_s=deviation_s,
            joules=course.joules + rate * onward.joules,
            own_joules=course.own_joules + rate * onward.own_joules,
            weighted_joules=weighted,
            load_joules=course.load_joules,
            miss_probability=miss,
            cost=weighted + seconds_cost - course.forgone_joules + settings.miss_price_joules * miss,
            delay_s=course.delay_s,
            handling_s=course.handling_s,
            forgone_joules=course.forgone_joules,
        )

    def input_passage(self, node: NodeView, hosted: HostedTier, items: int) -> Passage:
        """Return the best way of so many items of the request's input to a peer."""
        request = self.request
        n_bytes = request.input_bytes if items == request.batch else request.input_bytes * items / request.batch
        return self.view.input_passage(node, hosted, n_bytes=n_bytes, items=items, lossless=request.lossless)

    def wait_s(self, node: NodeView, item_s: float) -> float:
        """Return the wait here; at a peer what it said, less the time since, or more: what we sent crosses and runs."""
        if node.link is None:
            return self.here.wait_s
        said_s, link = max(0.0, node.telemetry.backlog_s - (self.now - node.heard_s)), node.link
        if not link.outstanding:
            return max(said_s, link.traffic.wait_s(self.now))
        return max(said_s, link.traffic.wait_s(self.now), link.outstanding * item_s / node.profile.slots)

    def handling_s(
        self, node: NodeView, hosted: HostedTier, cuts: Cuts, parts_s: float, items: int | None = None
    ) -> float:
        """Return what requests that end on a node take beyond their parts; as whole runs here, where none has yet."""
        own, request = self.view.own.handling, self.request
        if not (own.is_known or node.handling.is_known):
            return 0.0
        n_bytes = request.input_bytes if items is None else request.input_bytes * items / request.batch
        known_s = node.handling.beyond_s(hosted.artifact, cuts, n_bytes, parts_s)
        return known_s if known_s is not None else own.of_others_s(hosted.artifact, parts_s)

    def crowd(self, node: NodeView) -> float:
        """Return by how much each second on a node delays others there: how many there are, for each slot.

        They stand for those who come next: who is before us in the queue is not delayed, but where there is a queue
        now there will be one behind us.
        """
        if node.link is None:
            return self.here.alive / node.profile.slots
        telemetry, alive = node.telemetry, node.link.outstanding
        if telemetry.backlog_s > self.now - node.heard_s:
            alive = max(alive, telemetry.queued + telemetry.running)
        return alive / node.profile.slots

    def load_s(self, node: NodeView, hosted: HostedTier) -> float:
        """Return what it takes to load a model there."""
        return node.load_s(hosted, 0, len(hosted.stages))

    def _forgone_joules(self, node: NodeView, hosted: HostedTier, load_s: float) -> float:
        """Return what counts as paid of loading at a peer; here it is loaded while nobody waits for it (regret.py)."""
        lost = 0.0 if node.link is None else node.loading.forgone.get(hosted.artifact, 0.0)
        return min(lost, self.price_watts * load_s + node.load_joules(load_s) * node.weight(self._settings))


_CERTAIN = 8.0
"""A normal X is so many standard deviations above its mean once in 10^15 times."""


def _probability_above(limit_s: float, mean_s: float, deviation_s: float) -> float:
    """Return P(X > limit) for a normal X; a certain X is above or it is not."""
    if limit_s - mean_s > _CERTAIN * deviation_s:
        return 0.0
    if deviation_s <= 0.0:
        return float(mean_s > limit_s)
    return 0.5 * erfc((limit_s - mean_s) / (deviation_s * sqrt(2.0)))
