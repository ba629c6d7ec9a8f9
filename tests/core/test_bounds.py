"""What a peer says of itself is bounded where it is decoded: one bad figure must not spoil every prediction."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from msgspec import Struct, ValidationError, msgpack
from msgspec.structs import replace

from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.node import PeerLink, Telemetry, Way
from meshd.core.plan import Leg, Partial
from tests.core.builders import HUB_TIER, answer_of, hub, tier

LINK = PeerLink(node="kitchen", rtt_s=0.002, byte_s=1e-7)
LEG = Leg(node_id=NodeId("kitchen"), node="kitchen", first=1, last=3)


def received(sent: Struct) -> Struct:
    """What the other side decodes."""
    return msgpack.decode(msgpack.encode(sent), type=type(sent))


@pytest.mark.parametrize(
    "sent", [tier(HUB_TIER), hub(), Telemetry(backlog_s=3.0, battery_fraction=1.0, links=(LINK,) * 8), answer_of(hub())]
)
def test_what_is_sensible_arrives_as_it_was_sent(sent: Struct) -> None:
    assert received(sent) == sent


@pytest.mark.parametrize(
    ("sensible", "field", "value"),
    [
        (tier(HUB_TIER), "compute_s", nan),
        (tier(HUB_TIER), "compute_s", inf),
        (tier(HUB_TIER), "compute_s", -1.0),
        (tier(HUB_TIER), "load_s", nan),
        (tier(HUB_TIER), "accuracy", 1.1),
        (tier(HUB_TIER), "escalation_rate", -0.1),
        (tier(HUB_TIER), "macs", -1),
        (hub(), "slots", 0),
        (hub(), "incarnation", -1),
        (Telemetry(), "backlog_s", inf),
        (Telemetry(), "queued", -1),
        (Telemetry(), "battery_fraction", 2.0),
        (Telemetry(), "links", (LINK,) * 9),
        (tier(HUB_TIER), "ways", (Way(codec="fp16", ratio=0.5),) * 17),
        (LINK, "rtt_s", nan),
        (LINK, "byte_s", -1.0),
        (LINK, "node", "k" * 17),
        (LINK, "node", "kit\x1bchen"),
        (answer_of(hub()), "route", ()),
        (answer_of(hub()), "score", nan),
        (answer_of(hub()), "escalations", -1),
        (answer_of(hub()).timings, "total_s", -1.0),
        (answer_of(hub()).energy, "joules", nan),
        (answer_of(hub()).route[0], "compute_s", -1.0),
        (answer_of(hub()).route[0], "node_id", "k" * 129),
        (answer_of(hub()), "variant", "v" * 129),
        (LEG, "codec", "c" * 129),
        (LEG, "codec", "fp16\u2066"),
        (LEG, "node_id", "k" * 129),
        (Partial(artifact=ArtifactHash("a"), legs=(LEG,)), "artifact", "a" * 129),
    ],
)
def test_what_is_not_is_refused(sensible: Struct, field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        received(replace(sensible, **{field: value}))
