"""Views of a served project call an upstream: what the browser's leaving does on either track, what goes along."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import serve
from http_upstream import Upstream

SITE = Path(__file__).parents[1] / "projects" / "calls_site"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def shared():
    with Upstream().running() as upstream:
        yield upstream


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def server(request, shared):
    with serve([f"calls_{request.param}:application"], cwd=SITE, env={"UPSTREAM": shared.url}) as server:
        yield server


def leave(server, shared, path):
    """A client that asks, and is gone once its view's call has reached the upstream."""
    shared.hold_again()
    held = shared.ever_held
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        shared.wait_until("ever_held", held + 1)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/hold/sync", "sync RequestCancelled"),
        ("/hold/async", "async CancelledError"),
        ("/hold/hop", "hop RequestCancelled"),
        ("/hold/nested", "nested CancelledError"),
        ("/hold/gather", "gather RequestCancelled"),
        ("/hold/agather", "agather CancelledError"),
    ],
)
def test_the_browser_leaves_and_its_calls_end(server, shared, path, says):
    left = shared.left
    leave(server, shared, path)
    shared.wait_until("left", left + 1)
    server.wait_for_log(says)
    assert "Internal Server Error" not in server.log


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_post_that_was_sent_is_finished_and_logged(server, shared, kind):
    left, finished, logged = shared.left, shared.finished, server.log.count("nobody waited any more")
    known = server.log.count({"sync": "post RequestCancelled", "async": "apost CancelledError"}[kind])
    leave(server, shared, f"/post/{kind}")
    says = {"sync": "post RequestCancelled", "async": "apost CancelledError"}[kind]
    server.wait_for_log(says, times=known + 1)
    shared.release()
    shared.wait_until("finished", finished + 1)
    server.wait_for_log("nobody waited any more", times=logged + 1)
    assert shared.left == left


def test_what_is_detached_goes_on(server, shared):
    left = shared.left
    leave(server, shared, "/detached")
    shared.release()
    server.wait_for_log("detached 200")
    assert shared.left == left


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_trace_goes_on(server, kind):
    request = urllib.request.Request(f"{server.url}/echo/{kind}", headers={"traceparent": TRACE, "tracestate": "a=b"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        sent = json.load(answer)
    assert sent["headers"]["traceparent"] == TRACE
    assert sent["headers"]["tracestate"] == "a=b"
    assert sent["deadline"] is None


def test_a_view_on_the_loop_must_not_block_it(server):
    with urllib.request.urlopen(f"{server.url}/blocks", timeout=30) as answer:
        assert answer.read() == b"SynchronousOnlyOperation"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_request_has_a_deadline(shared, kind):
    shared.hold_again()
    left = shared.left
    environment = {"UPSTREAM": shared.url, "REQUEST_DEADLINE": "0.3"}
    with serve(["calls_asgi:application"], cwd=SITE, env=environment) as server:
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{server.url}/late/{kind}", timeout=30)
        assert raised.value.code == 504
        raised.value.close()
        shared.wait_until("left", left + 1)
        with urllib.request.urlopen(f"{server.url}/echo/{kind}", timeout=30) as answer:
            assert 0 < json.load(answer)["deadline"] < 0.3


def test_a_request_does_not_wait_behind_all_outcomes_of_calls(shared):
    """Requirement 16 of the reactor: what calls bring takes turns with requests, it is no queue before them."""
    calls, finished = 80, shared.finished
    shared.hold_again()
    with (
        serve(["calls_asgi:application"], cwd=SITE, env={"UPSTREAM": shared.url}) as server,
        ThreadPoolExecutor(calls) as threads,
    ):

        def ask(path):
            with urllib.request.urlopen(f"{server.url}{path}", timeout=60) as answer:
                return answer.read()

        ask("/quick")
        burning = [threads.submit(ask, "/burn") for _ in range(calls)]
        shared.wait_until("holding", calls)
        shared.release()
        shared.wait_until("finished", finished + calls)
        # 0.4 seconds of computing wait, and each of these for a few of them only.
        burned = [int(ask("/quick")) for _ in range(4)]
        assert burned[-1] < calls * 3 / 4, burned
        for one in burning:
            one.result()
        assert int(ask("/quick")) == calls
