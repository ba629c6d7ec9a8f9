"""Who is let in when a node is nearly full."""

import pytest

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.commands import Finish
from meshd.core.settings import Settings
from tests.core.builders import arrived, phone, scheduler, step, watch


@pytest.mark.parametrize(("via", "let_in"), [((), 8), ((watch().node_id,), 6)], ids=["clients", "peers"])
def test_peers_leave_a_quarter_of_a_node_to_its_own_clients(via: tuple[str, ...], let_in: int) -> None:
    made = scheduler(phone(), settings=Settings(max_requests=8))
    ends = [
        command.outcome
        for number in range(10)
        for command in step(made, arrived(f"r{number}", via=via))
        if isinstance(command, Finish)
    ]
    assert made.alive_requests == let_in
    assert [isinstance(end, Failure) and end.code for end in ends] == [errors.Overloaded.code] * (10 - let_in)
