"""The one line that tells all of a request."""

from datetime import UTC, datetime

from meshd.core.ids import ModelName, RequestId
from meshd.core.request import Request
from meshd.daemon.story import Answered, story_of
from tests.daemon.parts import PartPuppet

REQUEST = Request(request_id=RequestId("r1"), model=ModelName("cuttable"), input_bytes=36, deadline_s=1.0)


def test_the_line_of_a_request_tells_who_ran_which_stages_and_how_tensors_travelled() -> None:
    band, kitchen = PartPuppet("band"), PartPuppet("kitchen")
    answer = kitchen.answer(route=(band.hop(0, 1), kitchen.hop(1, 3)))
    line = story_of(datetime.now(UTC), REQUEST, answer, ["fp16"])
    assert isinstance(line, Answered)
    assert (line.route, line.codecs) == (["band:hub:0-1", "kitchen:hub:1-3"], ["fp16"])
