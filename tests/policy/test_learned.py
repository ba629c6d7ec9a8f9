"""A network's file as a policy: what it chooses, and every way in which a file is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from os import mkfifo
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from meshd.core.candidate import WAIT
from meshd.core.request import Priority
from meshd.errors import PolicyFailed, PolicyUnusable
from meshd.policy.features import features
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT
from meshd.policy.learned import LearnedPolicy
from meshd.policy.record import Record, read
from tests.core.builders import PHONE_TIER
from tests.policy.conftest import Ask

pytest.importorskip("onnx", reason="needs the convert extra")

from tests.policy.networks import OVERFLOWING, constant, liking, linear, mlp, saved

FAR = {"priority": Priority.BACKGROUND, "deadline_s": 30.0}


def policy(folder: Path, network: bytes) -> LearnedPolicy:
    return LearnedPolicy(saved(folder, network))


def test_the_highest_logit_among_what_may_be_chosen_wins(tmp_path: Path, ask: Ask) -> None:
    likes_large, likes_small = (policy(tmp_path, linear(liking(tier_rank=weight))) for weight in (1.0, -1.0))
    observation, view, now = ask(**FAR)
    tiers = [candidate.tier.tier.rank for candidate in observation.candidates]
    assert likes_large.choose(observation, view, now) == tiers.index(max(tiers))
    assert likes_small.choose(observation, view, now) == tiers.index(min(tiers))


def test_what_is_masked_is_never_chosen_however_much_the_network_likes_it(tmp_path: Path, ask: Ask) -> None:
    made = policy(tmp_path, linear(liking(is_allowed=-5.0)))
    observation, view, now = ask(min_tier=PHONE_TIER)
    assert observation.mask == (False, True, True)
    assert made.choose(observation, view, now) in {1, 2}


def test_a_network_waits_only_where_that_is_allowed(tmp_path: Path, ask: Ask) -> None:
    made = policy(tmp_path, linear(liking(is_wait=9.0)))
    assert made.choose(*ask(**FAR)) == WAIT
    assert made.choose(*ask()) != WAIT


def test_a_network_sees_all_rows_and_the_context_of_one_decision(tmp_path: Path, ask: Ask) -> None:
    content = mlp(width=16)
    made, asked = policy(tmp_path, content), ask(**FAR)
    seen = features(*asked)
    assert made.decide(seen) == made.choose(*asked)
    scores = made._logits(seen.candidates, seen.context)
    assert scores.shape == (len(seen.ways),) == (4,)
    other = made._logits(seen.candidates, seen.context + np.float32(1.0))
    assert not np.allclose(scores, other)


def test_a_network_that_gives_no_number_says_so(tmp_path: Path, ask: Ask) -> None:
    made = policy(tmp_path, linear(OVERFLOWING))
    with pytest.raises(PolicyFailed, match="policy tiny gave a logit of inf"):
        made.choose(*ask())


def test_both_files_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    network = linear(liking(is_here=1.0))
    path = saved(tmp_path, network)
    record, content = read(path)
    assert content == network
    assert record == Record.of(
        network,
        name="tiny",
        low=[-20.0] * (N_CANDIDATE + N_CONTEXT),
        high=[20.0] * (N_CANDIDATE + N_CONTEXT),
        training={"seed": 1},
    )


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _made_a_pipe(path: Path) -> None:
    path.unlink()
    mkfifo(path)


def _record_says(key: str, value: str) -> Callable[[Path], None]:
    """Have the first line of a key say something that no record of ours would."""

    def change(path: Path) -> None:
        table = path.with_suffix(".toml")
        pattern = re.compile(rf"^{key} = (\[.*?\]|.*?)$", re.MULTILINE | re.DOTALL)
        text, n_changed = pattern.subn(lambda _: f"{key} = {value}", table.read_text(encoding="utf-8"), count=1)
        assert n_changed == 1
        table.write_text(text, encoding="utf-8")

    return change


def _record_changed(**changes: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        record, network = read(path)
        replace(record, **changes).save(network, path)

    return change


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no network": (Path.unlink, r"policy\.onnx cannot be read: No such file"),
    "no record": (lambda path: path.with_suffix(".toml").unlink(), r"policy\.toml cannot be read: No such file"),
    "cut short": (_cut_short, "is not the file that policy.toml describes"),
    "huge": (
        lambda path: path.write_bytes(b"0" * 4_000_001),
        r"policy\.onnx cannot be read: It has more than 4",
    ),
    "no TOML": (lambda path: path.with_suffix(".toml").write_text("=", encoding="utf-8"), "is no record of a policy"),
    "no text": (lambda path: path.with_suffix(".toml").write_bytes(b"\xff"), "is no record of a policy"),
    "a pipe": (_made_a_pipe, r"policy\.onnx cannot be read: It is a pipe or a device, and no file"),
    "a pipe for a record": (
        lambda path: _made_a_pipe(path.with_suffix(".toml")),
        r"policy\.toml cannot be read: It is",
    ),
    "brackets in brackets": (_record_says("name", "[" * 100_000), "is no record of a policy"),
    "thousands of digits": (_record_says("format", "9" * 5_000), "is no record of a policy"),
    "a margin that is none": (_record_says("relative", "nan"), "is no record of a policy"),
    "a margin without end": (_record_says("absolute_joules", "inf"), "is no record of a policy"),
    "a range without end": (_record_says("queue_s", "[-inf, inf]"), "is no record of a policy"),
    "a name of two lines": (_record_says("name", r'"tiny\n"'), "is no record of a policy"),
    "another layout": (_record_changed(layout="0" * 64), "trained on other features than this meshd computes"),
    "another format": (_record_changed(format=2), "is no record of a policy"),
    "a range too few": (_record_changed(context={}), "and this meshd disagree about above_rank"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_missing_corrupt_or_incompatible_file_is_a_typed_error_that_says_what_is_wrong(
    tmp_path: Path, damage: str
) -> None:
    path = saved(tmp_path, linear(liking(is_here=1.0)))
    spoil, message = DAMAGES[damage]
    spoil(path)
    with pytest.raises(PolicyUnusable, match=message) as raised:
        LearnedPolicy(path)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (b"no graph at all", "policy tiny: onnxruntime cannot load it"),
        (linear(np.zeros(3, np.float32)), "does not take the features that are computed here"),
        (linear(np.zeros(N_CANDIDATE, np.float32), n_context=2), "does not take the features"),
        (constant(np.zeros((), np.float32)), r"policy tiny gives float32\[\] for 3 rows"),
        (constant(np.zeros((1, 3, 1), np.float32)), r"float32\[1, 3, 1\] for 3 rows"),
        (constant(np.zeros((1, 2), np.float32)), r"float32\[1, 2\] for 3 rows"),
        (linear(liking(is_allowed=float("nan"))), r"policy tiny gives no numbers, even for zeros: \[nan, nan, nan\]"),
    ],
    ids=["no graph", "other rows", "another context", "no axes", "an axis too many", "a row too few", "no numbers"],
)
def test_a_network_of_another_form_is_refused_when_it_is_loaded(tmp_path: Path, network: bytes, message: str) -> None:
    with pytest.raises(PolicyUnusable, match=message) as raised:
        policy(tmp_path, network)
    assert raised.value.hint


def test_a_network_that_gives_so_many_rows_however_many_there_are_says_nothing_that_makes_sense(
    tmp_path: Path, ask: Ask
) -> None:
    made = policy(tmp_path, constant(np.zeros((1, 3), np.float32)))
    with pytest.raises(PolicyFailed, match="for 4 rows"):
        made.choose(*ask(**FAR))


def test_a_network_that_takes_long_is_refused_when_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshd.policy.learned._MOST_S", 0.0)
    with pytest.raises(PolicyUnusable, match="ms to choose, in which all else here stands still"):
        policy(tmp_path, linear(liking(is_here=1.0)))
