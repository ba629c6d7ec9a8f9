"""`meshd demo` refuses what it cannot play before it starts anything."""

import pytest

from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--duration", "inf"), "no number of seconds"),
        (("--duration", "nan"), "no number of seconds"),
        (("--duration", "0.5"), "no number of seconds"),
        (("--speed", "0"), "neither a number above zero"),
        (("--ecg", ""), "name a file, or a record"),
    ],
)
def test_a_wish_that_makes_no_sense_is_a_mistake_in_usage(words: tuple[str, ...], told: str, meshd: Command) -> None:
    ended = meshd("demo", *words)
    assert (ended.code, ended.out) == (2, "")
    assert told in " ".join(ended.err.replace("│", " ").split())
