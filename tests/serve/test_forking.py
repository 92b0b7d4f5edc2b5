"""A view that forks disturbs nobody: neither its own connection, nor the others, nor the end of the server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from harness import Serving, serve
from wire import Client, get

APPS = Path(__file__).parents[1] / "projects" / "serve"

WAYS = {
    "/forked": "3",
    "/process?method=fork": "42 0",
    "/process?method=spawn": "42 0",
    "/process?method=forkserver": "42 0",
    "/executor": "55",
    "/loop": "5",
    "/command": "6",
}


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(request: pytest.FixtureRequest) -> Iterator[Serving]:
    with serve([f"forking:{request.param}"], cwd=APPS) as serving:
        yield serving


@pytest.mark.parametrize("path", WAYS)
def test_the_connections_of_the_parent_go_on(server: Serving, path: str) -> None:
    with closing(Client(server.url)) as kept, closing(Client(server.url)) as other:
        before = other.call("/").text
        assert kept.call(path).text == WAYS[path]
        assert kept.call("/").text == other.call("/").text == get(server.url).text == before
    assert "Traceback" not in server.log


def test_a_child_that_lives_on_keeps_neither_a_connection_nor_the_server(server: Serving, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(f"GET /outlives?fifo={fifo} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while more := client.recv(4096):
            # The end comes although the child has this connection open too.
            received += more
    child = int(received.rpartition(b"\r\n\r\n")[2])
    try:
        os.kill(child, 0)
        assert get(server.url).text != str(child)
        assert server.stop() == 0
        os.kill(child, 0)
    finally:
        fifo.write_text("end")
