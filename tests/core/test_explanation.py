from meshd.core.candidate import Observation
from meshd.core.commands import ChoosePlan
from meshd.core.explanation import Choice, Explanations
from meshd.core.ids import RequestId
from meshd.core.settings import Settings
from tests.core.builders import arrived, chosen, finished, hub, request, scheduler, step, watch


def observation(n_candidates: int) -> Observation:
    made = scheduler(watch(), hub())
    (asked,) = made.handle(arrived(), 0.0)
    assert isinstance(asked, ChoosePlan)
    first = asked.observation.candidates[0]
    return Observation(
        request_id=RequestId("r"),
        decision=1,
        remaining_s=1.0,
        priority=asked.observation.priority,
        candidates=(first,) * n_candidates,
    )


def test_the_oldest_story_is_forgotten_first() -> None:
    stories = Explanations(2)
    for name in "abc":
        stories.begin(request(name))

    assert stories.get(RequestId("a")) is None
    assert stories.get(RequestId("b")) is not None
    latest = stories.latest()
    assert latest is not None
    assert latest.request == request("c")


def test_stories_are_forgotten_for_the_candidates_they_hold_but_never_the_one_being_told() -> None:
    stories = Explanations(100)
    for name in "ab":
        stories.add(stories.begin(request(name)), Choice(observation=observation(10_000)))
    stories.add(stories.begin(request("c")), Choice(observation=observation(20_000)))

    assert [stories.get(RequestId(name)) is not None for name in "abc"] == [False, False, True]


def test_a_live_request_goes_on_after_its_story_is_forgotten() -> None:
    made = scheduler(watch(), hub(), settings=Settings(max_explained=1))
    (asked,) = made.handle(arrived("old"), 0.0)
    made.handle(arrived("new"), 0.0)
    assert isinstance(asked, ChoosePlan)
    assert made.explanations.get(RequestId("old")) is None

    step(made, chosen(asked))
    (ended,) = step(made, finished(1, name="old"))
    assert type(ended).__name__ == "Finish"


def test_a_story_tells_what_was_on_offer_what_was_chosen_by_whom_and_what_came_of_it() -> None:
    made = scheduler(watch(), hub())
    (asked,) = made.handle(arrived(), 0.0)
    assert isinstance(asked, ChoosePlan)
    made.handle(chosen(asked, policy="learned"), 0.0)
    (ended,) = step(made, finished(1))
    story = made.explanations.get(RequestId("r"))

    assert story is not None
    assert story.choices == [Choice(observation=asked.observation, index=0, policy="learned", note="")]
    assert story.outcome == getattr(ended, "outcome", None)
