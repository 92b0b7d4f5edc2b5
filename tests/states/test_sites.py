"""Each wait is told with the place in the project's code that waited."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness import Serving
from waits import ask, line, waiting_with, waits

SECONDS = 0.04


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(SECONDS)  # what it is there for
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def site() -> Iterator[Serving]:
    with waiting_with("with_turnout") as serving:
        ask(serving, "with_turnout.makes_the_table")
        yield serving


@pytest.mark.parametrize(
    ("view", "calls"),
    [
        ("one_call", 1),
        ("one_call_awaited", 1),
        ("calls_in_tasks", 3),
        ("gathers", 3),
        ("gathers_awaited", 3),
        ("as_they_come", 3),
        ("as_they_come_awaited", 3),
        ("streams", 1),
        ("streams_awaited", 1),
    ],
)
def test_a_call_is_told_with_its_place_in_the_view(site, upstream, view, calls):
    view = f"with_turnout.{view}"
    found = ask(site, view, f"upstream=http://{upstream}/")
    assert list(found) == ["http"]
    assert found["http"] >= SECONDS - 0.0005
    [(kind, address, at, count)] = waits(site, view)
    assert (kind, address, count) == ("http", upstream, calls)
    # A comprehension is a function of its own before Python 3.12.
    assert at.replace(".<locals>.<listcomp>", "").replace(" <listcomp>", " calls_in_tasks") == line(view)


@pytest.mark.parametrize(
    ("view", "calls"),
    [("queries", 1), ("queries_awaited", 1), ("iterates_over_a_query", 1), ("hops", 1)],
)
def test_a_query_is_told_with_its_place_in_the_view_also_where_a_thread_runs_it(site, view, calls):
    view = f"with_turnout.{view}"
    assert list(ask(site, view)) == ["db"]
    [(kind, _, at, count)] = waits(site, view)
    assert (kind, at, count) == ("db", line(view), calls)


def test_a_place_is_that_of_the_innermost_function_of_the_project(site):
    view = "with_turnout.through_a_library"
    ask(site, view)
    [(kind, _, at, count)] = waits(site, view)
    function = "<lambda>" if at.endswith(" <lambda>") else "through_a_library.<locals>.<lambda>"
    assert (kind, at, count) == ("db", line(view).replace("through_a_library", function), 2)
