"""Questions of clients: others are served between any two, and what waits of them is bounded."""

import asyncio

import pytest

from meshd.client.conversation import query_message
from meshd.daemon import questions
from meshd.daemon.questions import Questions
from meshd.errors import Overloaded
from meshd.net.session import Session
from meshd.wire.messages import Query
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import until


async def test_the_loop_turns_to_others_between_any_two_questions(member: MakeMember) -> None:
    client = member("watch").client()
    await client.session.opened()
    served: list[str] = []

    def answer(_session: Session, query: Query) -> None:
        served.append(query.subject)
        asyncio.get_running_loop().call_soon(served.append, "others")

    asked = Questions(answer)
    for subject in ("status", "peers", "models"):
        asked.ask(client.session, query_message(subject, {}))
    await until(lambda: len(served) == 6)
    assert served == ["status", "others", "peers", "others", "models", "others"]


async def test_a_question_too_many_is_refused_and_others_are_heard(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MOST_OF_ONE", 2)
    node = member("watch")
    curious, other = node.client(), node.client()
    await curious.session.opened()
    asked = [query_message("status", {}) for _ in range(3)]
    for message in asked:
        curious.expect(message.request_id)
        curious.session.send(message)
    assert isinstance(await curious.outcome(asked[2].request_id), Overloaded)
    assert (await other.query("status"))["name"] == "watch"
    for message in asked[:2]:
        assert isinstance(await curious.outcome(message.request_id), memoryview)
