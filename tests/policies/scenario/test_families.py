"""The families that ship, and what is told of a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.errors import FileUnusable, UnknownFamily
from policies.scenario import Split, families_asked, family, family_names

HOME = Path(__file__).parents[3] / "policies" / "scenario" / "families" / "home.toml"


def test_each_family_belongs_to_one_split_and_all_that_were_asked_for_are_there() -> None:
    by_split = {split: family_names(split) for split in Split}
    assert sorted(name for names in by_split.values() for name in names) == family_names()
    assert set(by_split[Split.TRAIN]) >= {"home", "commuting"}
    assert by_split[Split.VALIDATION]
    asked_for = {"doorbell", "night", "overloaded_hub", "flaky_radio", "twelve_nodes", "sixty_four_nodes"}
    later = {"boat", "care_flat"}
    assert set(by_split[Split.TEST]) == asked_for | later


@pytest.mark.parametrize("name", family_names())
def test_a_family_is_called_what_its_file_is_called(name: str) -> None:
    assert family(name).name == name


def test_training_sees_every_kind_of_thing_that_is_tested() -> None:
    """Other than the wildest links: what nobody trained on is there on purpose."""
    trained = [family(name) for name in family_names(Split.TRAIN)]
    tested = [family(name) for name in family_names(Split.TEST)]
    for part in ("incidents", "links"):
        kinds = [{one.kind for world in worlds for one in getattr(world, part)} for worlds in (trained, tested)]
        assert kinds[1] - kinds[0] <= {"wild"}
    models = [{one.model for world in worlds for one in world.streams} for worlds in (trained, tested)]
    assert models[0] == models[1]


def test_a_family_of_a_persons_own_is_read_from_its_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(HOME.read_text().replace('name = "home"', 'name = "mine"'))
    assert family(str(own)).name == "mine"


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("horizon_s = 240", "horizon = 240", "unknown key 'horizon'. Did you mean 'horizon_s'?"),
        ("rate_bps = [0.4e6, 3e6]", "rate_bps = [0, 3e6]", "links[0].rate_bps[0]: expected `float` > 0.0."),
        ("fraction = [0.2, 0.95]", "fraction = [0.2, 95]", "nodes[0].battery.fraction"),
        ("horizon_s = 240", "horizon_s = 0", "horizon_s: expected `float` > 0.0."),
        ('device_class = "phone"', 'device_class = "fone"', "nodes[1].device_class"),
        (
            'between = ["watch", "phone"]',
            'between = ["watch", "fone"]',
            "there is no node 'fone'. Did you mean 'phone'?",
        ),
        ('"picture/hub"', '"picture/watch"', "'picture/watch' is no model's tier. Did you mean"),
        ('model = "memo"', 'model = "memos"', "no node hosts a tier of 'memos'. Did you mean 'memo'?"),
        ("delay_s = [0.005, 0.03]", "delay_s = [0.03, 0.005]", "the range [0.03, 0.005] is upside down."),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_probably_meant(
    tmp_path: Path, good: str, bad: str, told: str
) -> None:
    own, text = tmp_path / "mine.toml", HOME.read_text()
    assert good in text
    own.write_text(text.replace(good, bad, 1))
    line = text[: text.index(good)].count("\n") + 1
    with pytest.raises(FileUnusable) as refused:
        family(str(own))
    assert str(refused.value).startswith(f"{own}:{line}: {told}")


def test_what_is_no_toml_is_told_with_the_parsers_own_words(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("schema = 1\nname = home\n")
    with pytest.raises(FileUnusable, match=r"mine\.toml: is not TOML: Invalid value \(at line 2,"):
        family(str(own))


def test_a_file_that_is_not_there_and_a_name_that_nobody_bears_are_told() -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        family("nowhere.toml")
    with pytest.raises(UnknownFamily, match="Did you mean 'night'"):
        family("nigth")


def test_a_command_line_names_a_split_or_families_with_commas_and_blanks_between() -> None:
    assert families_asked("validation") == ["errand", "weekend"]
    assert families_asked("doorbell, night") == ["doorbell", "night"]
