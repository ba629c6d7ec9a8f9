"""``meshd plan`` shows every way and why one of them is chosen, and draws when which way wins."""

import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from meshd.cli.view.plan_scene import scene_of
from meshd.core.plan_map import Mark
from meshd.core.request import Priority
from meshd.plan_document import PlanDocument, PlanQuestion
from model_registry.extra import installing
from tests.cli.conftest import Command
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.plan_samples import PLAN
from tests.cli.samples import ECG


@pytest.fixture(autouse=True)
def _foreseeing(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    daemon.documents["plan"] = PLAN


def test_json_is_exactly_the_daemons_document(meshd: Command) -> None:
    ended = meshd("plan", ECG, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert msgspec.json.decode(ended.out, type=PlanDocument) == PLAN


def test_the_question_reaches_the_daemon_whole(meshd: Command, daemon: FakeDaemon) -> None:
    words = ("--from", "kitchen", "--bandwidth", "2M", "--bandwidth", "1.5Gbit/s", "--batch", "8")
    meshd("plan", ECG, *words, "--priority", "emergency")
    (asked,) = daemon.asked
    assert PlanQuestion.read(asked.arguments) == PlanQuestion(  # type: ignore[union-attr]
        model=ECG, node="kitchen", rates_bps=(2e6, 1.5e9), batch=8, priority=Priority.EMERGENCY
    )


def test_every_way_is_a_row_and_the_chosen_one_says_what_it_has_over_the_next(meshd: Command) -> None:
    assert [" ".join(line.split()) for line in meshd("plan", ECG).out.splitlines()] == [
        "ecg-anomaly one item, 602 kB in · normal · household · 10.0 s to answer",
        "decided by wrist, policy least-expected-cost; nothing was run",
        "a second costs 0.1 J, a late answer 1 J; a joule from the wall counts 0.1",
        "to kitchen: 2.05 Mbit/s (measured), round trip 2.10 ms (measured)",
        "",
        "if every link had 2 Mbit/s",
        "plan sent as tier time compute transfer energy cost in mJ",
        "→ wrist — watch 50.0 ms 50.0 ms 0 s ~50.0 mJ 55",
        "kitchen uint8 watch 605 ms 5.00 ms 600 ms ~200 mJ 180",
        "→ wrist: costs 55 mJ as weighed instead of 180; 555 ms sooner and ~150 mJ less than kitchen, the next best",
    ]


def test_a_way_that_is_not_allowed_says_why(meshd: Command, daemon: FakeDaemon) -> None:
    (look,) = PLAN.looks
    masked = replace(look.ways[1], mask="privacy", reason="it stays")
    daemon.documents["plan"] = replace(PLAN, looks=(replace(look, ways=(look.ways[0], masked)),))
    lines = meshd("plan", ECG).out.splitlines()
    assert lines[-2:] == ["→ wrist: the only way that is allowed", "not watch tier on kitchen: privacy, it stays"]


def test_places_that_nobody_weighed_are_named_and_counted(meshd: Command, daemon: FakeDaemon) -> None:
    (look,) = PLAN.looks
    others = tuple(f"wrist 0-{cut}, kitchen {cut}-20" for cut in range(1, 20))
    daemon.documents["plan"] = replace(PLAN, looks=(replace(look, others=others),))
    shown = " ".join(meshd("plan", ECG).out.split())
    assert shown.endswith(f"possible too, and no better: {'; '.join(others[:16])}; and 3 more")


def changed(**changes: object) -> PlanDocument:
    """Return the document with another second way."""
    (look,) = PLAN.looks
    return replace(PLAN, looks=(replace(look, ways=(look.ways[0], replace(look.ways[1], **changes))),))


def rows(shown: str) -> list[str]:
    return [
        " ".join(line.split()) for line in shown.splitlines() if "  watch  " in line or line.strip().startswith("plan")
    ]


def test_every_part_of_a_time_has_a_column_where_it_is_anything(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["plan"] = changed(queue_s=0.001, load_s=0.02, escalation_s=0.003, delay_s=0.5, total_s=0.629)
    assert rows(meshd("plan", ECG).out) == [
        "plan sent as tier time wait load compute transfer larger tier delays others energy cost in mJ",
        "→ wrist — watch 50.0 ms 0 s 0 s 50.0 ms 0 s 0 s 0 s ~50.0 mJ 55",
        "kitchen uint8 watch 629 ms 1.00 ms 20.0 ms 5.00 ms 600 ms 3.00 ms 500 ms ~200 mJ 180",
    ]


def test_loading_that_nobody_has_seen_is_marked(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["plan"] = changed(load_s=0.02, load_assumed=True, forgone_joules=0.001)
    assert "kitchen uint8 watch 605 ms ~20.0 ms 5.00 ms 600 ms ~200 mJ 180" in rows(meshd("plan", ECG).out)


def test_a_choice_that_seconds_and_joules_speak_against_says_what_decided(meshd: Command, daemon: FakeDaemon) -> None:
    (look,) = changed(total_s=0.04, joules=0.04, weighted_joules=0.16).looks
    chosen = replace(look.ways[0], weighted_joules=0.005, forgone_joules=0.001)
    daemon.documents["plan"] = replace(PLAN, looks=(replace(look, ways=(chosen, look.ways[1])),))
    assert " ".join(meshd("plan", ECG).out.split()).endswith(
        "→ wrist: costs 55 mJ as weighed instead of 180; 10.0 ms later and ~10.0 mJ more than kitchen, the next best; "
        "joules from the wall count 0.1; 1 mJ of loading count as paid, requests before lost as much without it"
    )


def test_a_later_way_says_what_it_spares_others(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["plan"] = changed(total_s=0.04, delay_s=0.5)
    assert "10.0 ms later and ~150 mJ less than kitchen, the next best; it delays others by 500 ms less" in (
        meshd("plan", ECG).out
    )


def test_a_rate_that_nothing_has_measured_is_said_to_be_assumed(meshd: Command, daemon: FakeDaemon) -> None:
    (link,) = PLAN.links
    for source, told in (
        ("assumed", "(assumed from its class), round trip 2.10 ms (measured)"),
        ("told", "as wrist tells"),
    ):
        daemon.documents["plan"] = replace(PLAN, links=(replace(link, rate_source=source),))
        assert told in meshd("plan", ECG).out


def test_both_runs_of_an_emergency_are_told_with_the_energy_of_both(meshd: Command, daemon: FakeDaemon) -> None:
    (look,) = PLAN.looks
    daemon.documents["plan"] = replace(PLAN, looks=(replace(look, rival=1),))
    lines = [line.strip() for line in meshd("plan", ECG).out.splitlines()]
    assert [line.split()[0] for line in lines if " watch " in line] == ["→", "+"]
    told = "+ kitchen runs it at the same time, as an emergency; the first good answer wins: ~250 mJ together"
    assert told in lines


def test_what_is_known_of_another_node_is_said_to_be_so(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["plan"] = replace(PLAN, known_by="kitchen")
    assert "decided by wrist, by what kitchen knows of it" in meshd("plan", ECG).out


def test_the_map_shows_a_way_for_every_speed_and_where_the_peers_are() -> None:
    scene = scene_of(PLAN)
    assert scene.map.kinds[0].label == "whole here"
    assert {point.kind.label for row in scene.map.rows for point in row[:1]} == {"whole here"}
    (kitchen,) = scene.marks
    assert kitchen == Mark(name="kitchen", rate_bps=2.05e6, ratio=10.0)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_map_is_written_as_its_name_says(ending: str, meshd: Command, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra convert is not installed")
    file = tmp_path / f"map.{ending}"
    ended = meshd("plan", ECG, "--map", file)
    assert (ended.code, ended.err) == (0, f"wrote {file}\n")
    assert file.read_bytes().startswith({"svg": b"<?xml", "png": b"\x89PNG"}[ending])


def test_without_matplotlib_the_map_says_what_to_install(
    meshd: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ended = meshd("plan", ECG, "--map", tmp_path / "map.svg")
    assert ended.code == 1
    assert f"Run: {installing('convert')}" in ended.err


def test_a_node_that_does_not_host_the_model_has_no_map(meshd: Command, daemon: FakeDaemon, tmp_path: Path) -> None:
    lonely, other = PLAN.hosts
    daemon.documents["plan"] = replace(PLAN, hosts=(replace(lonely, hosted=()), other))
    ended = meshd("plan", ECG, "--map", tmp_path / "map.svg")
    assert (ended.code, ended.out) == (1, "")
    assert "wrist does not host ecg-anomaly" in ended.err
    assert "--from kitchen" in ended.err


@pytest.mark.parametrize(
    "words", [("--bandwidth", "fast"), ("--bandwidth", "0M"), ("--map", "map.gif"), ("--batch", "0")]
)
def test_what_is_no_question_is_a_mistake_in_usage(words: tuple[str, ...], meshd: Command, daemon: FakeDaemon) -> None:
    assert meshd("plan", ECG, *words).code == 2
    assert daemon.asked == []
