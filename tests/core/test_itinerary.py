"""Where the time of a request went: each way over a link stands with the run that it led to, and nothing is missing."""

from __future__ import annotations

from msgspec.structs import replace

from meshd.core.answer import Timings
from meshd.core.itinerary import Itinerary
from tests.core.builders import HUB_TIER, answer_of, hub, tier


def test_the_way_to_a_node_stands_with_its_run() -> None:
    told = answer_of(hub(tier(HUB_TIER)))
    there = replace(told, timings=Timings(compute_s=0.002, total_s=0.003))
    itinerary = Itinerary()
    assert itinerary.answered_there(there, elapsed_s=0.010, codec="int8") == 0.007
    first, *others = told.route
    assert itinerary.hops == [replace(first, codec="int8", transfer_s=0.007), *others]


def test_what_no_part_names_is_the_rest() -> None:
    timings = Timings(queue_s=0.25, compute_s=0.5, transfer_s=0.125, total_s=1.0)
    assert timings.rest_s == 0.125
    assert Timings(compute_s=1.0, total_s=0.5).rest_s == 0.0
