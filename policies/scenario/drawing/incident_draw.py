"""What befalls the nodes of a world. Each incident begins and ends; a node that is away is not struck again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policies.scenario.dice import Dice
from policies.scenario.drawing.node_draw import Member
from policies.scenario.family import Family, IncidentForm
from policies.scenario.happening import Happening, Kind

_ENDS = {
    "absence": (Kind.LEAVES, Kind.JOINS),
    "death": (Kind.DIES, Kind.JOINS),
    "stall": (Kind.STALLS, Kind.RESUMES),
    "charging": (Kind.CHARGES, Kind.DISCHARGES),
    "slowness": (Kind.SLOWS, Kind.SLOWS),
    "parting": (Kind.PARTS, Kind.MEETS),
}
_TAKES_AWAY = {"absence", "death", "stall"}


class IncidentDraw:
    """Draws the happenings of one world."""

    def __init__(self, family: Family, dice: Dice) -> None:
        self._forms = family.incidents
        self._horizon_s = family.horizon_s
        self._dice = dice

    def happenings(self, members: list[Member]) -> tuple[Happening, ...]:
        """Return what happens, the earliest first; some of it may lie beyond the horizon."""
        found = [happening for member in members for happening in _charged_for_good(member, self._to(member, members))]
        return tuple(sorted(found, key=lambda happening: happening.at_s))

    def _to(self, member: Member, members: list[Member]) -> Iterator[Happening]:
        away: list[tuple[float, float]] = []
        for position, form in enumerate(self._forms):
            if form.node != member.form.name:
                continue
            names = (form.together,) if form.together else (member.node.profile.name, f"incident {position}")
            if form.kind == "newcomer":
                yield from self._coming(form, member, away)
            elif self._dice.happens(form.chance, *names):
                yield from self._incidents(form, member, members, away, *names)

    def _coming(self, form: IncidentForm, member: Member, away: list[tuple[float, float]]) -> Iterator[Happening]:
        if not member.node.is_present:
            share = self._dice.between(form.first, member.node.profile.name, "coming")
            away.append((0.0, share * self._horizon_s))
            yield Happening(at_s=share * self._horizon_s, kind=Kind.JOINS, node_id=member.node.node_id)

    def _incidents(
        self, form: IncidentForm, member: Member, members: list[Member], away: list[tuple[float, float]], *names: str
    ) -> Iterator[Happening]:
        for since_s, until_s in self._spells(form, *names):
            if form.kind in _TAKES_AWAY:
                if any(since_s <= end_s and begin_s <= until_s for begin_s, end_s in away):
                    continue
                away.append((since_s, until_s))
            yield from self._ends(form, member, members, since_s, until_s)

    def _spells(self, form: IncidentForm, *names: str) -> Iterator[tuple[float, float]]:
        """Yield the half-open spells of an incident in seconds; they begin before the horizon."""
        rng = self._dice.stream(*names, "spells")
        at_s = rng.uniform(*form.first) * self._horizon_s
        while at_s < self._horizon_s:
            until_s = at_s + max(1e-3, rng.uniform(*form.lasts) * self._horizon_s)
            yield at_s, until_s
            if form.every is None:
                return
            at_s = until_s + rng.exponential(rng.uniform(*form.every) * self._horizon_s)

    def _ends(
        self, form: IncidentForm, member: Member, members: list[Member], since_s: float, until_s: float
    ) -> Iterator[Happening]:
        node_id, (begins, ends) = member.node.node_id, _ENDS[form.kind]
        if form.kind == "parting":
            for other in members:
                if other.form.name in form.peers and other.node.node_id != node_id:
                    peer_id = other.node.node_id
                    yield Happening(at_s=since_s, kind=begins, node_id=node_id, peer_id=peer_id)
                    yield Happening(at_s=until_s, kind=ends, node_id=node_id, peer_id=peer_id)
            return
        factor = (
            self._dice.between(form.factor, member.node.profile.name, "slowness") if form.kind == "slowness" else 1.0
        )
        yield Happening(at_s=since_s, kind=begins, node_id=node_id, factor=factor if form.kind == "slowness" else 1.0)
        yield Happening(at_s=until_s, kind=ends, node_id=node_id)


def _charged_for_good(member: Member, happenings: Iterable[Happening]) -> Iterator[Happening]:
    """Yield what happens to a node; it stays on the charger from when its battery is needed no longer."""
    battery = member.node.battery
    if battery is None:
        yield from happenings
        return
    for one in happenings:
        if one.kind not in {Kind.CHARGES, Kind.DISCHARGES} or one.at_s < battery.needed_until_s:
            yield one
    yield Happening(at_s=battery.needed_until_s, kind=Kind.CHARGES, node_id=member.node.node_id)
