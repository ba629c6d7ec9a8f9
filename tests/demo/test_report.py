"""The report has the keys that the documentation promises, and says when something went wrong."""

import io
import json

import msgspec
import pytest
from rich.console import Console

from meshd.core.node import DeviceClass
from meshd.demo.report import (
    Compared,
    EnergyReport,
    EscalationReport,
    InputReport,
    NodeReport,
    Remarks,
    Report,
    RequestReport,
    report_view,
)
from meshd.demo.scoreboard import UNKNOWN, Detection, Latency

DETECTION = Detection(sensitivity=0.95, specificity=None)
REPORT = Report(
    nodes=(NodeReport(id="ab" * 32, device_class=DeviceClass.WATCH, discovered_s=1.25),),
    requests=RequestReport(submitted=10, completed=10, failed=0, degraded=1, lost=0, duplicates=0),
    tiers={DeviceClass.WATCH: Latency(answered=10, p50_ms=1.0, p99_ms=2.0)},
    escalations=EscalationReport(watch_to_phone=3, phone_to_hub=1),
    detection=Compared(watch_only=DETECTION, cascade=DETECTION, hub_only=DETECTION),
    energy_joules=EnergyReport(watch_only=0.001, cascade=0.002, hub_only=0.003),
    input=InputReport(source="a recording", windows=300),
)


def test_the_json_has_the_promised_keys() -> None:
    assert json.loads(msgspec.json.encode(REPORT)) == {
        "nodes": [{"id": "ab" * 32, "class": "watch", "discovered_s": 1.25}],
        "requests": {"submitted": 10, "completed": 10, "failed": 0, "degraded": 1, "lost": 0, "duplicates": 0},
        "tiers": {"watch": {"answered": 10, "p50_ms": 1.0, "p99_ms": 2.0}},
        "escalations": {"watch_to_phone": 3, "phone_to_hub": 1},
        "detection": {
            "watch_only": {"sensitivity": 0.95, "specificity": None},
            "cascade": {"sensitivity": 0.95, "specificity": None},
            "hub_only": {"sensitivity": 0.95, "specificity": None},
        },
        "energy_joules": {"watch_only": 0.001, "cascade": 0.002, "hub_only": 0.003, "estimated": True},
        "input": {"source": "a recording", "windows": 300},
    }


@pytest.mark.parametrize("trouble", ["failed", "lost", "duplicates"])
def test_a_report_is_sound_only_when_every_request_had_one_answer(trouble: str) -> None:
    assert REPORT.sound
    requests = msgspec.structs.replace(REPORT.requests, **{trouble: 1})
    assert not msgspec.structs.replace(REPORT, requests=requests).sound


def test_a_person_reads_the_comparison_in_eighty_columns() -> None:
    page = io.StringIO()
    Console(file=page, width=80).print(report_view(REPORT, Remarks()))
    assert [" ".join(line.split()) for line in page.getvalue().splitlines() if line.strip()] == [
        "played 10 windows from a recording",
        "discovered watch 1.2 s after the start of each",
        "requests 10 answered, 0 failed, 0 lost, 0 twice, 1 degraded",
        "escalated 3 from watch to phone, 1 from phone to hub",
        "last word by windows p50 p99",
        "watch 10 1.0 ms 2.0 ms",
        "watched over by sensitivity specificity energy (estimate)",
        "the watch alone 95.0 % — 1.00 mJ",
        "the cascade 95.0 % — 2.00 mJ",
        "the hub alone 95.0 % — 3.00 mJ",
    ]


def test_a_person_is_told_who_ended_and_why_figures_are_missing() -> None:
    report = msgspec.structs.replace(
        REPORT, detection=Compared(watch_only=DETECTION, cascade=DETECTION, hub_only=UNKNOWN)
    )
    lines = _page(report, Remarks(ended=(DeviceClass.HUB,), watch_to_hub=2))
    assert lines[3:5] == [
        "escalated 3 from watch to phone, 1 from phone to hub, 2 from watch to hub, past the phone",
        "ended the hub, by itself, before the demo was over",
    ]
    assert lines[-1] == "The hub alone could not be judged: the hub had ended."


def test_a_recording_that_nobody_annotated_is_told_by_its_alarms() -> None:
    unknown = Compared(watch_only=UNKNOWN, cascade=UNKNOWN, hub_only=UNKNOWN)
    report = msgspec.structs.replace(REPORT, detection=unknown)
    assert _page(report, Remarks(annotated=False, flagged=4))[-2:] == [
        "Nobody annotated this recording, so none of the three can be judged by it.",
        "The cascade called 4 of 10 windows anomalous.",
    ]


def _page(report: Report, remarks: Remarks) -> list[str]:
    page = io.StringIO()
    Console(file=page, width=120).print(report_view(report, remarks))
    return [" ".join(line.split()) for line in page.getvalue().splitlines() if line.strip()]
