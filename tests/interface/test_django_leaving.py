"""A client that leaves cancels what its view waits for, on either track; cleaning up is not disturbed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from harness import serve

SITE = Path(__file__).parents[1] / "projects" / "requests_site"


@pytest.fixture(scope="module", params=["asgi", "wsgi", "wsgi --compat"])
def server(request):
    kind, *options = request.param.split()
    with serve([f"shown.{kind}:application", *options], cwd=SITE) as server:
        yield server


@pytest.mark.parametrize("name", ["async", "blocking", "answering", "stream"])
def test_leaving_ends_what_the_view_waits_for(server, name):
    ended = server.log.count("finished")
    failed = server.log.count("Exception in the project")
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(f"GET /leaving/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        server.wait_for_log(f"{name} waits")
    server.wait_for_log(f"{name} was cancelled")
    server.wait_for_log(f"{name} cleaned up")
    server.wait_for_log("finished", times=ended + 1)
    assert server.log.count("Exception in the project") == failed, server.log
