"""The reactor alone: Rust traffic comes from `turnout._turnout._testing`, no HTTP server is involved.

No test asserts how long something takes: it asserts that it happens, before a limit that only a broken reactor reaches.
Bounds of time are measured by bench/reactor_cost.py.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from turnout.loop import TurnoutLoop, new_event_loop

PATIENCE = 20.0


@pytest.fixture
def loop() -> Iterator[TurnoutLoop]:
    """A loop whose runtime runs already."""
    loop = new_event_loop()
    loop.reactor.start_runtime()
    yield loop
    loop.close()


@pytest.fixture(params=["plain", "runtime"])
def any_loop(request: pytest.FixtureRequest) -> Iterator[TurnoutLoop]:
    """A loop before and after its first Rust task."""
    loop = new_event_loop()
    if request.param == "runtime":
        loop.reactor.start_runtime()
    yield loop
    loop.close()


class Client:
    """A blocking client of `EchoServer`."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def ask(self, line: bytes) -> bytes:
        self.socket.sendall(line)
        return self.file.readline()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[[int], Client]]:
    """Makes clients and closes them all at the end."""
    clients: list[Client] = []

    def connect(port: int) -> Client:
        clients.append(Client(port))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def eventually(condition: Callable[[], object]) -> None:
    """Block until `condition` holds."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "did not happen"
        time.sleep(0.001)


async def soon(condition: Callable[[], object]) -> None:
    """Wait on the loop until `condition` holds."""
    async with asyncio_timeout():
        while not condition():
            await asyncio.sleep(0.001)


class asyncio_timeout:
    """`asyncio.timeout`, which Python 3.10 does not have."""

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.handle = asyncio.get_running_loop().call_later(PATIENCE, task.cancel)

    async def __aexit__(self, *_: object) -> None:
        self.handle.cancel()


def in_thread(call: Callable[[], object]) -> threading.Thread:
    """Start `call` beside the test."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread
