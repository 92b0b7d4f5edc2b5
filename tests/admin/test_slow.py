"""Slow requests of a real server under load: found, whole with their waits, kept when their worker dies."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from admin_socket import ask as ask_admin
from admin_socket import token_file, until
from dashboard import figures, slow_figures
from harness import Serving
from waits import ask, line, waiting_with
from wire import Later, get

SECONDS = 0.15
AWAITED, ON_A_THREAD = "with_turnout.gathers_awaited", "with_turnout.one_call"


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
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def site(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """With two views that are slow, while a quick one is asked all the time."""
    token = token_file(tmp_path_factory.mktemp("token"))
    with waiting_with("with_turnout", args=("--admin", "127.0.0.1:0", "--admin-token-file", token)) as serving:
        quick = [Later(get, serving.url, "/figures/") for _ in range(20)]
        for view in (AWAITED, ON_A_THREAD):
            ask(serving, view, f"upstream=http://{upstream}/")
        assert {answer.result().status for answer in quick} == {200}
        yield serving


def told(site: Serving, path: str) -> Any:
    answer = ask_admin(site, path)
    assert answer.status == 200, (path, answer)
    return json.loads(answer.body)


def slowest(site: Serving, view: str) -> dict[str, Any]:
    """Whole, once it is told."""
    found = until(lambda: [one for one in told(site, "/api/v1/slow")["requests"] if one["view"] == view])
    return told(site, f"/api/v1/slow/{found[0]['id']}")


def test_the_slow_ones_are_found_among_many(site: Serving) -> None:
    for view in (AWAITED, ON_A_THREAD):
        slowest(site, view)
    found = told(site, "/api/v1/slow")["requests"]
    assert {one["view"] for one in found[:2]} == {AWAITED, ON_A_THREAD}
    walls = [one["wall"] for one in found]
    assert walls == sorted(walls, reverse=True)
    of_view = told(site, f"/api/v1/slow?view={quote(AWAITED)}")["requests"]
    assert [one["id"] for one in of_view] == [one["id"] for one in found if one["view"] == AWAITED]


@pytest.mark.parametrize(("view", "calls"), [(AWAITED, 3), (ON_A_THREAD, 1)])
def test_one_has_its_waits_with_address_and_place(site: Serving, upstream: str, view: str, calls: int) -> None:
    request = slowest(site, view)
    assert [(wait["kind"], wait["address"], wait["site"]) for wait in request["waits"]] == [
        ("http", upstream, line(view))
    ] * calls
    for wait in request["waits"]:
        assert 0 <= wait["began"] < wait["ended"] <= request["wall"] + 0.1
        assert wait["ended"] - wait["began"] >= 1000 * SECONDS - 0.5
    assert request["status"] == 200
    assert sum(request["parts"].values()) == pytest.approx(request["wall"], abs=0.01)
    assert request["parts"]["io"] >= 1000 * SECONDS - 1


def test_who_worked_for_it_when_is_told(site: Serving) -> None:
    threads = {view: {span["thread"] for span in slowest(site, view)["spans"]} for view in (AWAITED, ON_A_THREAD)}
    assert None in threads[AWAITED], "its steps on the loop"
    spans = slowest(site, ON_A_THREAD)["spans"]
    (span,) = [span for span in spans if span["thread"] is not None]
    assert span["io"] >= 1000 * SECONDS - 1, "the whole view runs on one thread"
    for span in spans:
        assert span["ready"] <= span["began"] <= span["ended"]
        assert span["processing"] + span["cpu"] + span["io"] == pytest.approx(span["ended"] - span["began"], abs=0.01)


@pytest.mark.parametrize("view", [AWAITED, ON_A_THREAD])
def test_a_trace_is_what_its_readers_want(site: Serving, view: str) -> None:
    request = slowest(site, view)
    answer = ask_admin(site, f"/api/v1/slow/{request['id']}/trace")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="turnout-{request["id"]}.json"'
    trace = json.loads(answer.body)
    events = trace["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X", "b", "e"}
    for event in events:
        assert isinstance(event["name"], str)
        assert (event["pid"], type(event["tid"])) == (site.workers[0], int)
        assert event["ph"] == "M" or (type(event["ts"]) is int and event["ts"] >= 0)
    slices = [event for event in events if event["ph"] == "X"]
    assert {event["tid"] for event in slices} == {
        site.workers[0] if span["thread"] is None else span["thread"] for span in request["spans"]
    }
    for tid in {event["tid"] for event in slices}:
        open_until: list[int] = []
        for event in sorted((one for one in slices if one["tid"] == tid), key=lambda one: (one["ts"], -one["dur"])):
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            end = event["ts"] + event["dur"]
            assert not open_until or end <= open_until[-1], "slices of a thread nest"
            open_until.append(end)
    # A call is a pair of its own, so that those side by side have lines of their own.
    begun = {event["id"]: event for event in events if event["ph"] == "b"}
    ended = {event["id"]: event for event in events if event["ph"] == "e"}
    assert begun.keys() == ended.keys()
    assert len(begun) == 1 + len(request["waits"])
    assert all(begun[id]["ts"] <= ended[id]["ts"] and begun[id]["cat"] == ended[id]["cat"] for id in begun)


def test_a_views_page_has_its_calls_and_its_stacks(site: Serving, upstream: str) -> None:
    slowest(site, AWAITED)
    page = until(lambda: (page := told(site, f"/api/v1/view?name={quote(AWAITED)}"))["spots"] and page)
    # What a thread was seen to wait for besides is no call.
    (spot,) = [spot for spot in page["spots"] if spot["kind"] == "http"]
    assert (spot["kind"], spot["address"], spot["site"], spot["calls"]) == ("http", upstream, line(AWAITED), 3)
    assert spot["longest"] >= spot["mean"] >= 1000 * SECONDS - 0.5
    assert spot["share"] > 2, "three side by side count three times"
    stacks = ask_admin(site, f"/api/v1/stacks?view={quote(AWAITED)}").text.splitlines()
    (call,) = [text for text in stacks if text.startswith(f"{AWAITED};{line(AWAITED)};http {upstream} ")]
    assert int(call.rpartition(" ")[2]) >= 3e6 * SECONDS - 2000


def test_the_page_is_tested_against_what_the_server_says(site: Serving) -> None:
    views = figures.views()
    one = next(view for view in views if view.name == "hotels.views.search")
    totals = one.row(1_790_000_000.0, 900)
    pretended = slow_figures.requests([one], 1_790_000_000.0)[0]
    whole, page = slowest(site, AWAITED), told(site, f"/api/v1/view?name={quote(AWAITED)}")
    assert whole.keys() == pretended.keys()
    for part in ("parts", "shares"):
        assert whole[part].keys() == pretended[part].keys()
    for part in ("waits", "spans"):
        assert whole[part][0].keys() == pretended[part][0].keys()
    assert page["spots"][0].keys() == slow_figures.spots(one, totals)[0].keys()
    pretended_neighbours = slow_figures.neighbours(one, views, 1_790_000_000.0)
    assert page["neighbours"].keys() == pretended_neighbours.keys()


def test_a_worker_that_dies_leaves_its_slow_requests(site: Serving) -> None:
    before = slowest(site, ON_A_THREAD)
    os.kill(site.workers[0], signal.SIGKILL)
    site.wait_for_log("worker 1 is ready again")
    after = slowest(site, ON_A_THREAD)
    assert (before["gone"], after["gone"]) == (False, True)
    same = [key for key in before if key not in ("gone", "time")]
    assert [after[key] for key in same] == [before[key] for key in same]
    assert told(site, f"/api/v1/view?name={quote(AWAITED)}")["spots"][0]["calls"] == 3
