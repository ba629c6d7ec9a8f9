"""Which of two sessions with one node survives. Pure, and both ends come to the same answer."""

from __future__ import annotations

from meshd.core.ids import NodeId

SIMULTANEOUS_S = 10.0
"""Two dials that cross end within a handshake's and a hello's time limits. A node with a live session does not dial,
so a newcomer that comes later says that its side has lost the session which we still hold."""


def newcomer_wins(*, ours: NodeId, theirs: NodeId, rival_dialled: bool, dialled: bool, rival_age_s: float) -> bool:
    """Tell whether a new session takes the place of one that is there; ``dialled`` means: by us.

    Of two that crossed, the one dialled by the smaller node id stays. Of two dialled by one side the newer stays,
    for that side would not have dialled again without need.
    """
    if rival_age_s > SIMULTANEOUS_S or dialled is rival_dialled:
        return True
    return dialled is (ours < theirs)
