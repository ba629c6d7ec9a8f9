"""``meshd peers`` for a person."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.words import NOTHING, duration, percent, standing
from meshd.documents import Peer, PeersDocument


def peers_view(document: PeersDocument) -> RenderableType:
    """Return one row for each peer, and below the table what is wrong with those that have trouble."""
    if not document.peers:
        return Text(
            f"{document.name} knows no other node. Start meshd on another device of this network, and pair them: "
            "`meshd id` there, `meshd trust add` here, and the other way round."
        )
    table = columns(
        *("name", "class", "state", "link", "address", "rtt", "heard", "battery"),
        right=("rtt", "heard", "battery"),
        wrapping=("address",),
    )
    for peer in document.peers:
        table.add_row(*_row(peer))
    return Group(table, *(_trouble(peer) for peer in document.peers if peer.state != "alive" or not peer.link_up))


def _row(peer: Peer) -> tuple[str | Text, ...]:
    battery = peer.telemetry.battery_fraction if peer.telemetry else None
    return (
        peer.name,
        str(peer.device_class or NOTHING),
        standing(peer.state),
        "up" if peer.link_up else Text("down", style="red"),
        peer.address or NOTHING,
        duration(peer.rtt_s),
        f"{duration(peer.age_s)} ago" if peer.age_s is not None else NOTHING,
        percent(battery),
    )


def _trouble(peer: Peer) -> Text:
    """Say what keeps a peer away, and what the owner can do."""
    if peer.state == "unpaired" and not peer.node_id:
        return Text.assemble(("! ", "yellow"), f"somebody at {peer.address} was turned away: {peer.last_error}")
    if peer.state == "unpaired":
        advice = f"it is there and not trusted here. If it is yours: meshd trust add {peer.node_id}"
        return Text.assemble((f"! {peer.name}: ", "yellow"), advice)
    why = peer.last_error or ("it said goodbye." if peer.state == "left" else "nothing was heard of it.")
    return Text.assemble((f"! {peer.name}: ", "yellow"), why)
