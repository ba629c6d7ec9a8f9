"""Questions of clients: others are served between any two, and what waits of them is bounded."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from meshd.client.conversation import query_message
from meshd.core.ids import ModelName
from meshd.core.outlook import Outlook, outlook
from meshd.daemon import foresight, questions
from meshd.daemon.questions import Questions
from meshd.errors import InternalError, Overloaded
from meshd.net.session import Session
from meshd.plan_document import PlanQuestion
from meshd.wire.messages import Query
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import until
from tests.daemon.toys import MODEL


async def test_the_loop_turns_to_others_between_any_two_questions(member: MakeMember) -> None:
    client = member("watch").client()
    await client.session.opened()
    served: list[str] = []

    def answer(_session: Session, query: Query) -> Iterator[None]:
        served.append(query.subject)
        asyncio.get_running_loop().call_soon(served.append, "others")
        yield from ()

    asked = Questions(answer)
    for subject in ("status", "peers", "models"):
        asked.ask(client.session, query_message(subject, {}))
    await until(lambda: len(served) == 6)
    assert served == ["status", "others", "peers", "others", "models", "others"]


async def test_who_asks_for_little_does_not_wait_for_who_asks_for_much(member: MakeMember) -> None:
    node = member("watch")
    greedy, modest = node.client(), node.client()
    await greedy.session.opened()
    await modest.session.opened()
    served: list[str] = []

    def answer(_session: Session, query: Query) -> Iterator[None]:
        for step in range(3 if query.subject == "plan" else 1):
            served.append(f"{query.subject} {step}")
            yield

    asked = Questions(answer)
    for _ in range(2):
        asked.ask(greedy.session, query_message("plan", {}))
    asked.ask(modest.session, query_message("status", {}))
    await until(lambda: len(served) == 7)
    assert served == ["plan 0", "status 0", "plan 1", "plan 2", "plan 0", "plan 1", "plan 2"]


async def test_each_rate_of_a_plan_is_a_step_of_its_own(member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def counted(*given: Any, **named: Any) -> Outlook:
        looks.append(named["now"])
        return outlook(*given, **named)

    monkeypatch.setattr(foresight, "outlook", counted)
    question = PlanQuestion(model=ModelName(MODEL), rates_bps=(1e3, 1e6, 1e9))
    steps = member("watch").reception._reporter.document("plan", question.arguments)
    assert [len(looks) for _ in steps] == [0, 1, 2]
    assert len(looks) == 3


async def test_a_defect_ends_the_question_it_touches_and_is_told(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = member("watch")
    monkeypatch.setattr(node.reception._reporter, "_models", lambda: 1 / 0)
    client = node.client()
    with pytest.raises(InternalError, match="while it answered the question"):
        await client.query("models")
    assert (await client.query("status"))["name"] == "watch"


async def test_sessions_of_one_owner_have_one_turn_together(member: MakeMember) -> None:
    node = member("watch")
    clients = [node.client() for _ in range(3)]
    for client in clients:
        await client.session.opened()
    clients[2].session.owner = "another user"
    served: list[str] = []

    def answer(session: Session, _query: Query) -> Iterator[None]:
        asker = next(number for number, client in enumerate(clients) if client.session is session)
        for step in range(2):
            served.append(f"{asker}: {step}")
            yield

    asked = Questions(answer)
    for client in clients:
        asked.ask(client.session, query_message("plan", {}))
    await until(lambda: len(served) == 6)
    assert served == ["0: 0", "2: 0", "1: 0", "2: 1", "0: 1", "1: 1"]


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
