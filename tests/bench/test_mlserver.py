"""The client that MLServer is measured with: it counts whole answers and takes no error for one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meshd.bench.mlserver import MLServer
from meshd.bench.tiny import TinyModel
from meshd.errors import SetupError


@asynccontextmanager
async def answering(status: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Listen for HTTP, answer everything with a status, and keep what was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(2**16):
            asked.append(head.partition(b"\r\n\r\n")[2])
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


async def test_every_answer_counts_once_and_the_model_s_input_is_what_is_asked() -> None:
    model = TinyModel()
    async with answering("200 OK") as (port, asked):
        rps = await MLServer(port, model).measure_rps(2, seconds=0.05)
    assert rps > 0.0
    ((name, tensor),) = model.inputs.items()
    assert json.loads(asked[0])["inputs"] == [
        {"name": name, "shape": [1, 187], "datatype": "FP32", "data": tensor.reshape(-1).tolist()}
    ]


async def test_an_error_is_no_answer() -> None:
    async with answering("500 Internal Server Error") as (port, _):
        with pytest.raises(SetupError, match=r"MLServer answered http/1.1 500 internal server error"):
            await MLServer(port, TinyModel()).measure_rps(1, seconds=0.05)
