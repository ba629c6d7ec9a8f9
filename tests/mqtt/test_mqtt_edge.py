import asyncio
from pathlib import Path

import pytest

from meshd.documents import MqttState
from meshd.mqtt.broker import EmbeddedBroker
from meshd.mqtt.mqtt_edge import MOST_EVENT_BYTES
from tests.mqtt.conftest import PREFIX, WHO, Heard, MakeEdge, listening, publishing, until
from tests.mqtt.relay import relay_to

pytestmark = pytest.mark.slow


async def test_the_status_is_retained_for_those_who_come_later(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with edge(broker.port) as node:
        node.publish_status({"healthy": True})
        async with listening(broker.port) as early:
            await early.until(lambda heard: any(h.payload.get("healthy") for h in heard))
        async with listening(broker.port) as late:
            assert await late.status("online") == Heard(
                f"{PREFIX}/status", {"state": "online", "healthy": True, **WHO}, retained=True
            )


async def test_a_node_without_anything_to_say_is_online(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with listening(broker.port) as ear, edge(broker.port):
        assert (await ear.status("online")).payload == {"state": "online", **WHO}


async def test_a_node_that_stops_says_offline(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with listening(broker.port) as ear:
        async with edge(broker.port):
            await ear.status("online")
        assert (await ear.status("offline")).payload == {"state": "offline", **WHO}


async def test_the_broker_says_offline_for_a_node_that_was_killed(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with listening(broker.port) as ear:
        async with publishing(broker.port, tmp_path / "outbox.db", 0):
            await ear.status("online")
        assert (await ear.status("offline")).payload == {"state": "offline", **WHO}


async def test_telemetry_is_published_and_not_retained(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with listening(broker.port) as ear, edge(broker.port) as node:
        await ear.status("online")
        node.publish_telemetry({"queued": 2})
        heard = await ear.until(lambda heard: any(h.topic == f"{PREFIX}/telemetry" for h in heard))
        sample = heard[-1]
        assert sample.payload.pop("at").endswith("+00:00")
        assert (sample.payload, sample.retained) == ({**WHO, "queued": 2}, False)


async def test_an_anomaly_is_published_with_the_id_that_was_returned(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with listening(broker.port) as ear, edge(broker.port) as node:
        event_id = node.publish_anomaly({"model": "ecg-anomaly", "score": 0.93})
        await ear.until(lambda _: ear.anomalies())
        [event] = ear.anomalies()
        assert event.pop("at").endswith("+00:00")
        assert event == {**WHO, "id": event_id, "model": "ecg-anomaly", "score": 0.93}
        await until(lambda: node.state.queued == 0)


async def test_what_was_wrong_with_a_model_waits_for_a_broker_as_an_alarm_does(
    edge: MakeEdge, broker: EmbeddedBroker
) -> None:
    async with listening(broker.port) as ear, relay_to(broker.port) as relay, edge(relay.port) as node:
        await until(lambda: node.state.state == "connected")
        await relay.cut()
        await until(lambda: node.state.state == "lost")
        event_id = node.publish_finding({"model": "ecg-anomaly", "outcome": "quarantined"})
        await node.settled()
        await relay.open()
        heard = await ear.until(lambda heard: any(h.topic == f"{PREFIX}/model" for h in heard))
        [event] = [h.payload for h in heard if h.topic == f"{PREFIX}/model"]
        assert event.pop("at").endswith("+00:00")
        assert event == {**WHO, "id": event_id, "model": "ecg-anomaly", "outcome": "quarantined"}


async def test_an_outage_loses_no_event(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with listening(broker.port) as ear, relay_to(broker.port) as relay, edge(relay.port) as node:
        await until(lambda: node.state.state == "connected")
        await relay.cut()
        await until(lambda: node.state.state == "lost")
        for number in range(200):
            node.publish_anomaly({"id": f"event-{number}", "score": 0.9})
            node.publish_status({"number": number})
            node.publish_telemetry({"number": number})
        await node.settled()
        assert node.state.queued == 200
        await relay.open()
        await ear.until(lambda _: len({event["id"] for event in ear.anomalies()}) == 200)
        await until(lambda: node.state.queued == 0)
        await ear.until(
            lambda heard: [h for h in heard if h.topic == f"{PREFIX}/status"][-1].payload["state"] == "online"
        )
        ids = list(dict.fromkeys(event["id"] for event in ear.anomalies()))
        assert ids == [f"event-{number}" for number in range(200)]


async def test_events_of_a_killed_process_are_delivered_by_the_next(
    edge: MakeEdge, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    broker.stop()
    async with publishing(broker.port, tmp_path / "outbox.db", 7):
        pass
    with EmbeddedBroker(port=broker.port) as again:
        async with listening(again.port) as ear, edge(again.port):
            await ear.until(lambda _: len({event["id"] for event in ear.anomalies()}) == 7)
        ids = list(dict.fromkeys(event["id"] for event in ear.anomalies()))  # Twice is as well as once.
        assert ids == [f"event-{number}" for number in range(7)]


async def test_a_broker_that_is_not_there_is_told_in_the_state(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    broker.stop()
    async with edge(broker.port) as node:
        await until(lambda: node.state.state == "lost")
        assert node.state.last_error is not None
        assert f"the broker at 127.0.0.1:{broker.port} cannot be reached" in node.state.last_error


async def test_a_broker_that_accepts_and_says_nothing_is_given_up(
    edge: MakeEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshd.mqtt.connection.CONNECT_S", 0.2)
    mute = await asyncio.start_server(_swallow, "127.0.0.1", 0)
    async with mute, edge(mute.sockets[0].getsockname()[1]) as node:
        await until(lambda: node.state.state == "lost")
        assert node.state.last_error == "the broker refuses the connection: Operation timed out"


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass
    writer.close()


async def test_an_event_that_brokers_would_refuse_for_ever_is_not_kept(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    broker.stop()
    async with edge(broker.port) as node:
        node.publish_anomaly({"route": "x" * MOST_EVENT_BYTES})
        await node.settled()
        assert node.state.queued == 0


async def test_publishing_what_json_does_not_know_does_not_raise(edge: MakeEdge, broker: EmbeddedBroker) -> None:
    async with listening(broker.port) as ear, edge(broker.port) as node:
        node.publish_anomaly({"path": Path("here"), "score": float("nan")})
        await ear.until(lambda _: ear.anomalies())
        [event] = ear.anomalies()
        assert (event["path"], event["score"]) == ("here", None)


async def test_without_a_broker_configured_nothing_is_kept(edge: MakeEdge) -> None:
    async with edge(None) as node:
        assert node.publish_anomaly({"id": "e1"}) == "e1"
        node.publish_status({})
        node.publish_telemetry({})
        state = node.state
        assert state == MqttState(state="off", since_s=state.since_s)
