"""Where calls run: on the loop of the server that serves, on a thread of their own, and what is counted there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from turnout import http
from turnout.http import errors

# Each in a fresh interpreter: the background thread of an earlier test stays.
PREAMBLE = """
import sys
from pathlib import Path

from turnout import http

upstream = sys.argv[1]

def has_thread():
    tasks = Path("/proc/self/task").iterdir()
    return any((task / "comm").read_text().strip() == "turnout-http" for task in tasks)
"""

SERVED = """
from turnout.testing import LiveServer

def served(call):
    '''What `call` returns in a view behind turnout.'''
    returned = []
    def application(environ, start_response):
        returned.append(call())
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]
    import urllib.request
    with LiveServer(application) as server:
        urllib.request.urlopen(server.url, timeout=30).close()
    return returned[0]
"""


def run(upstream, code):
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + code, upstream.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


linux_only = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="names of threads are read from /proc")


@linux_only
def test_a_view_s_calls_run_on_the_loop_of_its_server(upstream):
    run(
        upstream,
        SERVED
        + """
client = http.Client(upstream)
assert served(lambda: (client.get("/x").status_code, has_thread())) == (200, False)
""",
    )


@linux_only
def test_a_client_can_have_a_thread_of_its_own(upstream):
    run(
        upstream,
        SERVED
        + """
client = http.Client(upstream, limits=http.Limits(own_thread=True))
assert served(lambda: (client.get("/x").status_code, has_thread())) == (200, True)
""",
    )


@linux_only
def test_calls_move_to_the_background_when_their_server_is_over(upstream):
    run(
        upstream,
        SERVED
        + """
client = http.Client(upstream)
assert served(lambda: client.get("/x").status_code) == 200
assert not has_thread()
assert client.get("/y").status_code == 200
assert has_thread()
""",
    )
    # A connection of one runtime is of no use to another.
    assert upstream.connections == 2


@pytest.mark.parametrize("awaited", [False, True])
def test_the_current_span_goes_along(upstream, awaited):
    call = "asyncio.run(asend())" if awaited else "client.get('/x')"
    run(
        upstream,
        f"""
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())
client = http.Client(upstream)

async def asend():
    return await client.aget("/x")

assert "traceparent" not in {call}.json()["headers"]
with trace.get_tracer("test").start_as_current_span("outer") as span:
    sent = {call}.json()["headers"]["traceparent"]
context = span.get_span_context()
assert sent.startswith(f"00-{{context.trace_id:032x}}-{{context.span_id:016x}}-")
""",
    )


def test_connections_are_counted_by_place(upstream):
    # The pool is shared by all clients of the same limits: nobody else has these.
    client = http.Client(upstream.url, limits=http.Limits(max_queue=977))
    for _ in range(3):
        assert client.get("/x").status_code == 200
    connections = client.stats()["connections"]
    assert (connections["open"], connections["idle"], connections["waiting"]) == (1, 1, 0)
    place = connections["places"][upstream.url]
    assert (place["made"], place["reused"], place["failed"]) == (1, 2, 0)
    assert set(place["closed"].values()) == {0}
    with pytest.raises(errors.ReadTimeout):
        client.get("/hold", timeout=http.Timeout(first_byte=0.05))
    upstream.wait_until("left", 1)
    place = client.stats()["connections"]["places"][upstream.url]
    assert sum(place["closed"].values()) == 1
