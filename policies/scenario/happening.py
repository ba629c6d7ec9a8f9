"""What befalls nodes and sessions, whatever anybody decides."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import NodeId


class Kind(StrEnum):
    """What happens to ``node_id``."""

    JOINS = "joins"
    """It starts, with a new incarnation if it was there before, and meets whoever it has links to."""
    LEAVES = "leaves"
    """It says goodbye, answers what it has, and ends its sessions."""
    DIES = "dies"
    """It is gone at once, with all it knew."""
    STALLS = "stalls"
    """It hears and says nothing until it resumes, and then finds all that was sent to it."""
    RESUMES = "resumes"
    CHARGES = "charges"
    """It is put on a charger."""
    DISCHARGES = "discharges"
    """It is taken off the charger."""
    SLOWS = "slows"
    """From now on its runs take ``factor`` times their true seconds, until it is said otherwise; 1 ends it."""
    PARTS = "parts"
    """Its session with ``peer_id`` ends, with all that is under way: they are out of reach of each other."""
    MEETS = "meets"
    """They are in reach again: the session opens."""


class Happening(Struct, frozen=True, kw_only=True, gc=False):
    """One event of the world. Those at 0 s come before everything else."""

    at_s: float
    """Seconds since the scenario began."""
    kind: Kind
    node_id: NodeId
    peer_id: NodeId | None = None
    """Of PARTS and MEETS."""
    factor: float = 1.0
    """Of SLOWS."""
