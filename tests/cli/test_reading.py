"""Reading commands print what the daemon says: for people by default, as one document with --json."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.documents import ChoiceCounters, Corrected, Done, DriftCounters, Excess, ModelsDocument, Problem, Unserved
from meshd.explain_document import ExplainedWait
from meshd.wire.messages import Order
from tests.cli import samples
from tests.cli.conftest import Command
from tests.cli.fake_daemon import FakeDaemon

DOCUMENTS = {
    "status": samples.STATUS,
    "peers": samples.PEERS,
    "models": samples.MODELS,
    "explain": samples.EXPLAIN,
}


@pytest.mark.parametrize("subject", DOCUMENTS)
def test_json_is_exactly_the_daemons_document_and_nothing_else(
    subject: str, meshd: Command, daemon: FakeDaemon
) -> None:
    daemon.documents = dict(DOCUMENTS)
    ended = meshd(subject, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert msgspec.json.decode(ended.out, type=type(DOCUMENTS[subject])) == DOCUMENTS[subject]


def test_status_tells_who_how_and_what_is_wrong(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["status"] = samples.STATUS
    assert [line.rstrip() for line in meshd("status").out.splitlines()] == [
        "wrist  watch · aaaaaaaaaaaa · meshd 0.1.0 · healthy",
        "up        62 min, listening on 127.0.0.1:47600",
        "requests  8 answered of 9 · 1 failed · 2 degraded · 3 escalated · 0 alive",
        "queue     0 of 32 waiting · 1 of 1 slots busy · 0 s behind",
        "memory    81.0 MB resident",
        "energy    ~12.5 mJ",
        "battery   on mains",
        "policy    least-expected-cost",
        "mqtt      lost mqtt://hub:1883: connection refused",
        "! The broker is away. Inference goes on.",
    ]


def test_status_tells_why_the_policy_is_another_and_how_often_the_rule_decided_for_it(
    meshd: Command, daemon: FakeDaemon
) -> None:
    choices = ChoiceCounters(asked=40, waits=3, guarded={"unlike_training": 2, "cost": 1})
    status = msgspec.structs.replace(
        samples.STATUS, policy="shipped-1", policy_sha256="0123456789abcdef", choices=choices
    )
    daemon.documents["status"] = status
    told = " ".join(meshd("status").out.split())
    counted = "asked 40 times · 3 to wait · 1 left to the rule: cost · 2 left to the rule: unlike training"
    assert f"policy shipped-1 0123456789ab · {counted}" in told
    daemon.documents["status"] = msgspec.structs.replace(samples.STATUS, policy_note="own.toml cannot be read")
    assert "policy least-expected-cost, for own.toml cannot be read mqtt" in " ".join(meshd("status").out.split())


@pytest.mark.parametrize(
    ("n_corrected", "said"), [(0, "no kinds of ways corrected"), (1, "1 kind of ways"), (2, "2 kinds of ways")]
)
def test_status_tells_that_the_policy_adapts_before_anything_is_corrected(
    n_corrected: int, said: str, meshd: Command, daemon: FakeDaemon
) -> None:
    one = Corrected(node_id=samples.HUB, tier=DeviceClass.HUB, kind="whole", share=0.3)
    daemon.documents["status"] = msgspec.structs.replace(samples.STATUS, corrected=(one,) * n_corrected)
    assert f"policy least-expected-cost · adapts, {said}" in " ".join(meshd("status").out.split())


def test_status_tells_what_was_too_much_where_anything_was(meshd: Command, daemon: FakeDaemon) -> None:
    excess = Excess(messages_left_out=120, peers_cut_off=1, slow_readers_cut_off=2)
    daemon.documents["status"] = msgspec.structs.replace(samples.STATUS, excess=excess)
    told = " ".join(meshd("status").out.split())
    assert "too much 120 heartbeats and capabilities of peers left out · 1 of them and 2 slow readers cut off" in told


def test_status_tells_how_often_something_was_learned_anew_where_anything_was(
    meshd: Command, daemon: FakeDaemon
) -> None:
    drifts = DriftCounters(runs=2, links=1, escalations=1)
    daemon.documents["status"] = msgspec.structs.replace(samples.STATUS, drifts=drifts)
    told = " ".join(meshd("status").out.split())
    assert "learned anew runs 2 times · links 1 · handling 0 · escalations 1 mqtt" in told


def test_status_of_an_unhealthy_daemon_ends_with_code_4(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["status"] = msgspec.structs.replace(samples.STATUS, healthy=False)
    ended = meshd("status", "--json")
    assert (ended.code, json.loads(ended.out)["healthy"]) == (4, False)


def test_a_peers_name_is_shown_as_it_is_and_never_obeyed(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["peers"] = msgspec.structs.replace(samples.PEERS, peers=(samples.peer(name="[/bold][red]hub"),))
    ended = meshd("peers")
    assert (ended.code, ended.out.splitlines()[1].split()[0]) == (0, "[/bold][red]hub")


def test_peers_names_each_and_says_how_to_let_a_stranger_in(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["peers"] = samples.PEERS
    assert [line.rstrip() for line in meshd("peers").out.splitlines()] == [
        "name      class  state     link  address                rtt       heard  battery",
        "kitchen   hub    alive     up    192.168.1.7:47600  2.70 ms  500 ms ago   25.0 %",
        "stranger  hub    unpaired  down  192.168.1.7:47600        —  500 ms ago   25.0 %",
        "! stranger: it is there and not trusted here. If it is yours: meshd trust add",
        "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    ]


def test_peers_of_a_lonely_node_tells_how_to_pair(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["peers"] = msgspec.structs.replace(samples.PEERS, peers=())
    assert "wrist knows no other node" in meshd("peers").out


def test_models_shows_tiers_bounds_and_hosts_in_eighty_columns(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["models"] = samples.MODELS
    lines = [line.rstrip() for line in meshd("models").out.splitlines()]
    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "ecg-anomaly watch int8 93.0 kB 90.0 % 20.0 % ≤ 5% (95%) wrist",
        "0.25 ms",
    ]


@pytest.mark.parametrize(
    ("signed_by", "told"),
    [
        ("clinic", "signed by clinic"),
        ("unsigned", "unsigned"),
        ("bundled", "came with meshd"),
        (None, "its manifest is not at hand here"),
    ],
)
def test_models_tells_who_stands_behind_each(
    meshd: Command, daemon: FakeDaemon, signed_by: str | None, told: str
) -> None:
    model = replace(samples.MODELS.models[0], signed_by=signed_by)
    daemon.documents["models"] = ModelsDocument(models=(model,))
    assert f"ecg-anomaly 1.0.0: {told}" in meshd("models").out.splitlines()


def test_explain_tells_what_was_forbidden_and_why(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["explain"] = samples.EXPLAIN
    ended = meshd("explain", "r1")
    assert [" ".join(line.split()) for line in ended.out.splitlines() if line.strip()] == [
        "r1 ecg-anomaly · 7.20 kB in · normal · household · 500 ms to answer · at least",
        "tier hub",
        "a second costs 0.1 J, a late answer 1 J; a joule from the wall counts 0.1",
        "decision 1 by least-expected-cost, 500 ms left",
        "plan time energy cost in mJ forbidden because",
        "watch tier on wrist 1.00 ms ~200 µJ 0.3 too_weak: the request",
        "asks for tier hub or",
        "above",
        "→ hub tier on kitchen 4.00 ms ~12.0 mJ 10.8",
        "answered by tier hub with score 0.970, ~12.2 mJ",
        "hub tier on kitchen: fp32, 2.00 ms, score 0.970",
        "3.50 ms in all: 0 s queue, 2.00 ms compute, 1.00 ms transfer, 0.50 ms rest",
        "4.00 ms predicted",
    ]
    assert daemon.asked[0].arguments == {"request_id": "r1"}  # type: ignore[union-attr]


def test_a_decision_that_took_up_what_was_weighed_before_says_how_long_before(
    meshd: Command, daemon: FakeDaemon
) -> None:
    (decided,) = samples.EXPLAIN.decisions
    decided = msgspec.structs.replace(decided, weighed_ago_s=0.25)
    daemon.documents["explain"] = msgspec.structs.replace(samples.EXPLAIN, decisions=(decided,))
    title = next(line for line in meshd("explain").out.splitlines() if line.startswith("decision"))
    assert title == "decision 1 by least-expected-cost, 500 ms left, as weighed 250 ms before"


@pytest.mark.parametrize(
    ("waited_s", "ended_by", "told"),
    [
        (2.5, "the radio woke", "waited 2.50 s for a cheaper moment, until the radio woke"),
        (None, "", "to wait for a cheaper moment, 60.0 s at most"),
    ],
)
def test_a_decision_to_wait_says_for_how_long_and_what_ended_it(
    meshd: Command, daemon: FakeDaemon, waited_s: float | None, ended_by: str, told: str
) -> None:
    (decided,) = samples.EXPLAIN.decisions
    wait = ExplainedWait(at_most_s=60.0, waited_s=waited_s, ended_by=ended_by)
    decided = msgspec.structs.replace(decided, chosen=None, wait=wait)
    daemon.documents["explain"] = msgspec.structs.replace(samples.EXPLAIN, decisions=(decided,))
    assert told in [line.strip() for line in meshd("explain").out.splitlines()]


def test_a_decision_says_what_came_of_it_when_another_followed(meshd: Command, daemon: FakeDaemon) -> None:
    (asked,) = samples.EXPLAIN.decisions
    failed, hub = asked.candidates[0], asked.candidates[1]
    failed = msgspec.structs.replace(
        failed, plan="phone tier on pocket", node_id=NodeId("dd" * 32), tier=DeviceClass.PHONE
    )
    hung = msgspec.structs.replace(
        failed, allowed=False, mask="shunned", reason="it failed this request before: no answer within 2700 ms"
    )
    first = msgspec.structs.replace(asked, decision=41, candidates=(failed,), chosen=0)
    second = msgspec.structs.replace(asked, decision=57, candidates=(hung, hub), chosen=1)
    daemon.documents["explain"] = msgspec.structs.replace(samples.EXPLAIN, decisions=(first, second))
    lines = meshd("explain").out.splitlines()
    assert [line.split(" by ")[0] for line in lines if line.startswith("decision")] == ["decision 1", "decision 2"]
    assert [line for line in lines if line.startswith("nothing came")] == [
        "nothing came of it: no answer within 2700 ms"
    ]


def test_a_decision_that_led_to_another_look_says_so(meshd: Command, daemon: FakeDaemon) -> None:
    (asked,) = samples.EXPLAIN.decisions
    daemon.documents["explain"] = msgspec.structs.replace(samples.EXPLAIN, decisions=(asked, asked))
    assert meshd("explain").out.count("it ran, and asked for another look, score 0.970") == 1


def test_a_plan_over_two_nodes_shows_what_each_did_and_was_expected_to(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["explain"] = samples.split_explained()
    lines = [line.rstrip() for line in meshd("explain").out.splitlines()]
    assert lines[-10:] == [
        "→  hub tier on wrist 0-2, kitchen 2-3  4.00 ms  ~12.0 mJ        10.8",
        "     stages 0-2 on wrist: 1.00 ms predicted, took 1.20 ms",
        "     stages 2-3 on kitchen: 2.00 ms to get there, sent as int8, took 1.00 ms;",
        "1.00 ms predicted, took 2.00 ms",
        "",
        "answered by tier hub with score 0.970, ~12.2 mJ",
        "  stages 2-3 of the hub tier on kitchen: fp32, 2.00 ms, score 0.970, sent as",
        "int8",
        "  3.50 ms in all: 0 s queue, 2.00 ms compute, 1.00 ms transfer, 0.50 ms rest",
        "  4.00 ms predicted",
    ]


def test_an_answer_says_how_its_input_travelled(meshd: Command, daemon: FakeDaemon) -> None:
    hop = msgspec.structs.replace(samples.HOP, codec="uint8")
    daemon.documents["explain"] = msgspec.structs.replace(samples.EXPLAIN, route=(hop,))
    assert "  hub tier on kitchen: fp32, 2.00 ms, score 0.970, sent as uint8" in meshd("explain").out.splitlines()


def test_a_plan_whose_input_went_raw_says_so_where_another_way_was_meant(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["explain"] = samples.chosen(codec="uint8", actual_codec="raw")
    assert "     its input was sent raw instead: it had no form in uint8" in meshd("explain").out.splitlines()


def test_loading_that_nobody_has_seen_and_what_counts_as_paid_of_it_are_told(
    meshd: Command, daemon: FakeDaemon
) -> None:
    daemon.documents["explain"] = samples.chosen(
        predicted_s=0.005, load_s=0.002, load_assumed=True, compute_s=0.003, forgone_joules=0.0002
    )
    told = " ".join(meshd("explain").out.split())
    assert "5.00 ms = 2.00 ms loading, as it was announced + 3.00 ms computing" in told
    assert "0.2 mJ of loading count as paid: requests before lost as much without it" in told


def test_the_time_of_what_was_chosen_is_the_sum_of_named_parts(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["explain"] = samples.chosen(
        predicted_s=0.01, load_s=0.002, compute_s=0.003, transfer_s=0.004, queue_s=0.0, delay_s=0.02
    )
    told = " ".join(meshd("explain").out.split())
    assert "10.0 ms = 2.00 ms loading + 3.00 ms computing + 4.00 ms on the way + 1.00 ms for a larger tier" in told
    assert "others are delayed by 20.0 ms, which its cost counts too" in told


def test_a_way_that_took_less_than_its_parts_lately_is_told_as_their_sum_less_that(
    meshd: Command, daemon: FakeDaemon
) -> None:
    daemon.documents["explain"] = samples.chosen(
        predicted_s=0.005, compute_s=0.003, transfer_s=0.004, handling_s=-0.002, queue_s=0.0, load_s=0.0
    )
    told = " ".join(meshd("explain").out.split())
    assert "5.00 ms = 3.00 ms computing + 4.00 ms on the way - 2.00 ms that such requests took less" in told
    assert "larger tier" not in told


def test_shares_of_a_batch_are_told_one_by_one(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["explain"] = samples.shared_explained()
    out = meshd("explain").out
    assert "3 items on kitchen: 4.00 ms predicted until it is back; computing never ran" in out
    assert " · 8 items" in out
    assert [line for line in out.splitlines() if line.startswith("part ")] == ["part 1 of 2", "part 2 of 2"]


def test_a_request_that_failed_says_why(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["explain"] = msgspec.structs.replace(
        samples.EXPLAIN, outcome="failed", code="no_candidate", message="nobody may run it."
    )
    assert "failed (no_candidate): nobody may run it." in meshd("explain").out


def test_no_daemon_ends_with_code_3_and_says_what_to_do(meshd: Command, tmp_path: Path) -> None:
    ended = meshd("status", "--endpoint", tmp_path / "none.sock")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines()[0].startswith("meshd: no daemon answers at unix:")
    assert "Start one with `meshd run`" in ended.err


def test_a_daemons_refusal_ends_with_code_1(meshd: Command, daemon: FakeDaemon) -> None:
    ended = meshd("explain", "nobody")
    assert (ended.code, ended.out, ended.err) == (1, "", "meshd: it is not known.\n")


def test_a_word_that_is_no_command_ends_with_code_2(meshd: Command) -> None:
    ended = meshd("statsu")
    assert (ended.code, ended.out) == (2, "")
    assert "status" in ended.err


@pytest.mark.parametrize("endpoint", ["tcp://foo", "tcp://127.0.0.1:99999", "http://hub"])
def test_an_endpoint_that_is_none_is_a_mistake_in_usage(endpoint: str, meshd: Command) -> None:
    ended = meshd("status", "--endpoint", endpoint)
    assert (ended.code, ended.out) == (2, "")
    assert "is no endpoint" in ended.err


def test_the_socket_of_the_configuration_is_asked_unless_another_is_named(
    meshd: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "meshd.toml"
    file.write_text('[client]\nsocket = "/nonexistent/own.sock"\n')
    monkeypatch.setenv("MESHD_CONFIG", str(file))
    assert "unix:/nonexistent/own.sock" in meshd("status").err
    assert "unix:/nonexistent/other.sock" in meshd("status", "--endpoint", "/nonexistent/other.sock").err


def test_models_lists_what_this_node_should_run_and_does_not(meshd: Command, daemon: FakeDaemon) -> None:
    unserved = Unserved(version="1.0.0", state="in quarantine", problem=Problem(sentence="It is damaged."))
    model = replace(samples.MODELS.models[0], tiers=(), unserved=unserved)
    daemon.documents["models"] = ModelsDocument(models=(model,))
    told = meshd("models").out.splitlines()
    assert [" ".join(line.split()) for line in told[1:2]] == ["ecg-anomaly — — — — — — in quarantine"]
    assert "ecg-anomaly 1.0.0: signed by clinic, in quarantine here" in told


def test_policy_reset_has_the_daemon_forget_and_says_what_it_says(meshd: Command, daemon: FakeDaemon) -> None:
    daemon.documents["reset"] = Done(sentence="What requests had taught the policy here is forgotten.")
    ended = meshd("policy", "reset")
    assert (ended.code, ended.out) == (0, "What requests had taught the policy here is forgotten.\n")
    assert [order.action for order in daemon.asked if isinstance(order, Order)] == ["reset"]


def test_status_tells_how_often_experience_made_the_choice_another(meshd: Command, daemon: FakeDaemon) -> None:
    choices = ChoiceCounters(asked=40, moved=3)
    daemon.documents["status"] = msgspec.structs.replace(samples.STATUS, choices=choices)
    assert "asked 40 times · 3 by experience" in " ".join(meshd("status").out.split())
