"""A node as a program: connects with whomever it trusts and finds, and says with whom.

Run: ``python -m tests.net.node_program STATE_DIR LISTEN_ADDRESS``; it prints JSON, one line for each change.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from tests.net.nodes import Node, discovery_of


async def main(state_dir: Path, listen_host: str) -> None:
    begin = time.monotonic()
    node = Node(state_dir, state_dir.name)
    await node.start(host=listen_host)
    say(node, begin)
    said = node.events.connected.copy(), 0
    await discovery_of(node, listen_host=listen_host).start()
    while True:
        await asyncio.sleep(0.02)
        now = node.events.connected.copy(), len(node.events.disconnected)
        if now != said:
            said = now
            say(node, begin)


def say(node: Node, begin: float) -> None:
    connected = sorted(link.name or "" for link in node.peering.peers() if link.state == "connected")
    line = json.dumps({"connected": connected, "after_s": round(time.monotonic() - begin, 3)})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
