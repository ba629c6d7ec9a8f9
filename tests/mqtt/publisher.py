"""Publishes N events and waits to be killed: python -m tests.mqtt.publisher PORT OUTBOX N."""

import asyncio
import sys
from pathlib import Path

from meshd.mqtt.broker_address import BrokerAddress
from meshd.mqtt.mqtt_edge import MqttEdge
from meshd.mqtt.outbox import Outbox
from tests.mqtt.conftest import NODE


async def main(port: int, outbox: Path, count: int) -> None:
    edge = MqttEdge(BrokerAddress(host="127.0.0.1", port=port), NODE, Outbox(outbox))
    edge.start()
    for number in range(count):
        edge.publish_anomaly({"id": f"event-{number}", "score": 0.9})
    await edge.settled()
    sys.stdout.write("settled\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
