"""One real daemon and what may be wrong with its surroundings: it says what, and goes on or ends with a reason."""

import os
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from meshd.client import Client
from meshd.errors import UnknownModel, UnknownQuery
from meshd.mqtt.broker import EmbeddedBroker
from meshd.net.identity import Identity
from meshd.net.tls import client_context
from meshd.wire.frame import HEADER, MAGIC, encode
from meshd.wire.messages import Hello, Infer, Query, TensorHeader
from model_registry import manifest as manifests
from model_registry.device_class import device_class
from tests.daemon.processes import Device, Household, until
from tests.daemon.processes import household as household_of
from tests.daemon.toys import CALM, GRAVE, MODEL, lay_bundle, manifest, window

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Return a household whose one watch all tests of this file may speak to, and none may end."""
    with household_of(tmp_path_factory.mktemp("shared")) as home:
        watch = home.add("watch")
        watch.configure(client={"socket": str(watch.socket), "tcp_host": "127.0.0.1", "tcp_port": 0})
        watch.start()
        watch.status()
        yield home


@pytest.fixture
def watch(shared: Household) -> Iterator[Device]:
    """Return the shared watch; it must still answer at the end."""
    device = shared.devices["watch"]
    yield device
    with device.client() as client:
        assert client.infer(MODEL, window(CALM)).outputs["score"] == np.float32(CALM)


# ------------------------------------------------------------------------------------------------- cannot start


def test_a_second_daemon_on_one_state_directory_ends_with_a_reason(shared: Household) -> None:
    first, second = shared.devices["watch"], shared.add("second", "watch")
    second.configure(node={"state_dir": str(first.state_dir)})
    assert first.process is not None
    status, words = last_words(second)
    assert status == 1
    assert words.startswith(f"meshd: a daemon with process id {first.process.pid} already uses {first.state_dir}.")


def test_a_taken_port_ends_it_with_a_reason(home: Household) -> None:
    device = home.add("watch")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        device.configure(listen={"host": "127.0.0.1", "port": port})
        status, words = last_words(device)
    assert status == 1
    assert f"127.0.0.1:{port}" in words
    assert not device.socket.exists()


def test_a_taken_client_socket_ends_it_with_a_reason(shared: Household, watch: Device) -> None:
    other = shared.add("other", "watch")
    other.configure(client={"socket": str(watch.socket)})
    status, words = last_words(other)
    assert (status, f"another daemon answers at {watch.socket}." in words) == (1, True)


def test_a_misspelt_key_ends_it_with_what_was_meant(home: Household) -> None:
    device = home.add("watch")
    device.configure(node={"device_clas": "watch"})
    status, words = last_words(device)
    assert status == 1
    assert "device_clas" in words
    assert "Did you mean 'device_class'" in words


@pytest.mark.parametrize("name", ["identity.pem", "trust.toml"])
def test_damaged_state_ends_it_with_a_reason(home: Household, name: str) -> None:
    device = home.add("watch")
    device.configure()
    path = device.state_dir / name
    path.write_text("rotten")
    path.chmod(0o600)
    status, words = last_words(device)
    assert status == 1
    assert words.startswith("meshd: ")
    assert str(path) in words
    assert "Traceback" not in device.log()


@pytest.mark.parametrize("name", ["profiles.json", "incarnation", "outbox.sqlite"])
def test_state_that_can_be_made_again_is_made_again(home: Household, name: str) -> None:
    device = home.add("watch")
    device.configure()
    (device.state_dir / name).write_text("rotten")
    device.start()
    assert device.status().healthy
    with device.client() as client:
        assert client.infer(MODEL, window(CALM)).tier == "watch"


# ----------------------------------------------------------------------------------------------- models and broker


def test_a_corrupt_model_costs_that_model_and_no_other(home: Household) -> None:
    bad = lay_bundle(home.folder / "bundles", manifest(name="bad"))
    (bad / "watch.onnx").write_bytes(b"not a model")
    device = home.add("watch")
    device.configure()
    device.start()
    problems = [problem.sentence for problem in device.status().problems]
    assert len(problems) == 1
    assert problems[0].startswith("Model 'bad': 'watch.onnx' in ")
    assert "is not the artifact that the manifest names" in problems[0]
    with device.client() as client:
        assert client.infer(MODEL, window(CALM)).tier == "watch"
        with pytest.raises(UnknownModel):
            client.infer("bad", window(CALM))


def test_a_misspelt_manifest_costs_that_model_and_no_other(home: Household) -> None:
    bad = lay_bundle(home.folder / "bundles", manifest(name="bad")) / "manifest.toml"
    bad.write_text(bad.read_text().replace("licen", "lisen"))
    device = home.add("watch")
    device.configure()
    device.start()
    problem = device.status().problems[0]
    assert "lisense" in problem.sentence
    assert "license" in problem.sentence + problem.hint
    with device.client() as client:
        assert client.infer(MODEL, window(CALM)).tier == "watch"


def test_to_forget_what_requests_taught_where_nothing_is_learned_says_so(home: Household) -> None:
    device = home.add("watch")
    device.configure()
    device.start()
    assert device.status().corrected is None
    with device.client() as client:
        assert "scheduler.adapt is off" in client.reset_policy().sentence


def test_a_corrupt_policy_costs_no_answer_and_status_tells_that_the_rule_serves_and_why(home: Household) -> None:
    (home.folder / "own.onnx").write_bytes(b"not a network")
    (home.folder / "own.toml").write_text("format = 1\n", encoding="utf-8")
    device = home.add("watch")
    device.configure(scheduler={"policy": str(home.folder / "own.onnx")})
    device.start()
    status = device.status()
    (problem,) = status.problems
    assert (status.policy, status.healthy) == ("least-expected-cost", True)
    assert status.policy_note in problem.sentence
    assert "own.toml is no record of a policy" in problem.sentence
    with device.client() as client:
        assert client.infer(MODEL, window(CALM)).tier == "watch"


def test_a_model_to_host_that_is_not_there_is_a_problem_to_show(home: Household) -> None:
    device = home.add("watch")
    device.configure(models={"host": ["toi", MODEL]})
    device.start()
    problem = device.status().problems[0]
    assert problem.sentence == "The configuration hosts 'toi', which is not there."
    assert problem.hint == "There are: toy:watch, toy:phone, toy:hub."


def test_an_outbox_that_cannot_be_used_is_a_sentence_and_no_traceback(home: Household) -> None:
    device = home.add("watch")
    device.configure()
    (device.state_dir / "outbox.sqlite").mkdir(parents=True)
    device.start()
    assert device.wait() == 1
    assert "meshd: the outbox for alarms, " in device.log()
    assert "Traceback" not in device.log()


def test_a_broker_that_comes_and_goes_is_told_and_stops_nothing(home: Household) -> None:
    device = home.add("watch")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    device.configure(mqtt={"url": f"mqtt://127.0.0.1:{port}"})
    device.start()
    device.until(lambda: device.status().mqtt.last_error, "the broker's absence in the status")
    with device.client() as client:
        assert client.infer(MODEL, window(GRAVE)).degraded
        with EmbeddedBroker(port=port):
            device.until(lambda: device.status().mqtt.state == "connected", "the broker's arrival")
        device.until(lambda: device.status().mqtt.state == "lost", "the broker's end")
        assert client.infer(MODEL, window(CALM)).tier == "watch"


# ----------------------------------------------------------------------------------------------------------- noise


def noise(kind: str) -> bytes:
    """Return bytes that no honest program sends first."""
    hello = b"".join(encode(Hello(role="client", name="noise")))
    header = TensorHeader(name="ecg", dtype="float32", shape=(1, 16))
    ask = b"".join(encode(Infer(request_id="r", model=MODEL, tensors=(header,), deadline_s=1.0), [bytes(64)]))
    return {
        "nothing": b"",
        "http": b"GET / HTTP/1.1\r\nHost: watch\r\n\r\n",
        "random": os.urandom(4096),
        "zeros": bytes(65536),
        "a truncated header": HEADER.pack(MAGIC, 1, 1, 100, 0)[:7],
        "a truncated frame": hello[:-1],
        "another version": HEADER.pack(MAGIC, 99, 1, 0, 0),
        "an unknown kind": HEADER.pack(MAGIC, 1, 200, 0, 0),
        "metadata that is none": HEADER.pack(MAGIC, 1, 1, 4, 0) + b"\xc1\xc1\xc1\xc1",
        "nested without end": HEADER.pack(MAGIC, 1, 1, 60000, 0) + b"\x91" * 60000,
        "an announced payload of 4 GB": hello + HEADER.pack(MAGIC, 1, 4, 0, 2**32 - 1),
        "a request before the hello": ask,
        "a request cut short": hello + ask[:-10],
        "two hellos": hello * 2,
        "a peer's message": hello + b"".join(encode(Query(request_id="q", subject="weather"))),
        "a hello with a payload": HEADER.pack(MAGIC, 1, 1, 0, 16) + bytes(16),
    }[kind]


KINDS = (
    "nothing", "http", "random", "zeros", "a truncated header", "a truncated frame", "another version",
    "an unknown kind", "metadata that is none", "nested without end", "an announced payload of 4 GB",
    "a request before the hello", "a request cut short", "two hellos", "a peer's message", "a hello with a payload",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_noise_on_the_client_socket_does_no_harm(watch: Device, kind: str) -> None:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(watch.socket))
        shout(wire, noise(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_noise_on_the_peer_port_does_no_harm(watch: Device, kind: str) -> None:
    with socket.create_connection(peer_port(watch)) as wire:
        shout(wire, noise(kind))


def test_noise_leaves_nothing_in_the_daemon(watch: Device) -> None:
    before = watch.status().memory.resident_bytes
    for _ in range(200):
        with socket.create_connection(peer_port(watch)) as wire:
            shout(wire, os.urandom(512))
    assert watch.status().memory.resident_bytes - before < 8 * 2**20
    assert watch.events("task.failed") == []


def test_a_stranger_with_a_certificate_is_sent_no_application_byte(watch: Device, tmp_path: Path) -> None:
    with Identity.load_or_create(tmp_path / "stranger") as stranger:
        hello = b"".join(encode(Hello(role="peer", name="stranger", node_id=stranger.node_id)))
        assert heard(watch, client_context(stranger), hello) == b""
        seen = until(lambda: watch.peers().get(stranger.node_id), "the sighting")
    assert (seen.state, seen.link_up) == ("unpaired", False)
    assert f"meshd trust add {stranger.node_id}" in (seen.last_error or "")


def test_without_a_certificate_there_is_no_session(watch: Device) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert heard(watch, context, b"".join(encode(Hello(role="peer", name="nobody")))) == b""


def test_a_tcp_client_needs_the_token(watch: Device) -> None:
    opened = watch.events("endpoint.opened")[-1]["address"]
    with pytest.raises(Exception, match="the token is wrong or missing"), Client(f"tcp://{opened}"):
        pass


def heard(device: Device, context: ssl.SSLContext, content: bytes) -> bytes:
    """Speak TLS to the peer port, send bytes, and return what comes back until the end, be it an alert or a reset."""
    received = b""
    with socket.create_connection(peer_port(device)) as raw, suppress(OSError), context.wrap_socket(raw) as wire:
        wire.settimeout(5.0)
        wire.sendall(content)
        while chunk := wire.recv(4096):
            received += chunk
    return received


def shout(wire: socket.socket, content: bytes) -> None:
    """Send bytes and go away at once, or after the other side did."""
    wire.settimeout(0.2)
    try:
        wire.sendall(content)
        wire.recv(1)
    except OSError:
        return
    finally:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def peer_port(device: Device) -> tuple[str, int]:
    """Return where peers connect to."""
    host, _, port = (device.status().listening or "").rpartition(":")
    return host, int(port)


def last_words(device: Device) -> tuple[int, str]:
    """Start a daemon that cannot run; return its exit status and what it said last."""
    device.start()
    status = device.wait()
    return status, device.log()[device.log().rindex("meshd: ") :].strip()


def test_a_daemon_tells_what_its_models_say_of_themselves(watch: Device) -> None:
    with watch.client() as client:
        told = client.manifest(MODEL)
        assert (told.model, manifests.loads(told.text).name) == (MODEL, MODEL)
        with pytest.raises(UnknownQuery, match="this node has no model 'unheard-of'"):
            client.manifest("unheard-of")
        assert client.status().power == device_class("watch").power
