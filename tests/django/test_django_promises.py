"""What Django promises a request, kept while threads are shared: state, transactions, the loop, leaving, the end.

Over the server, on both tracks and for both request classes. What a view sees is in promises_site/state.py.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import sqlite3
import struct
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from harness import Serving, serve
from raw import Wire
from wire import Client, Later, get

SITE = Path(__file__).parent
KINDS = ["asgi", "wsgi"]
HANDLERS = {"asgi": "ASGIHandler", "wsgi": "WSGIHandler"}


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Iterator[Any]:
    """Servers of promises_site, each started when first asked for."""
    database = str(tmp_path_factory.mktemp("promises") / "db.sqlite3")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE promises_site_row (id integer PRIMARY KEY, name varchar(50) NOT NULL)")
    path = os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])
    with ExitStack() as stack:
        started: dict[Any, Serving] = {}

        def server(kind: str, *options: str, **env: str) -> Serving:
            key = (kind, options, tuple(env.items()))
            if key not in started:
                more = {"PYTHONPATH": path, "PROMISES_DB": database, **env}
                args = [f"promises_site.{kind}:application", *options, "--drain", "1s"]
                started[key] = stack.enter_context(serve(args, cwd=SITE, env=more))
            return started[key]

        yield server


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def server(start, kind) -> Serving:
    return start(kind)


# --- state: contextvars, asgiref's Locals, language, time zone, URLconf, script prefix (3.3, F10, 3.10) ---

SEEN = [f"/seen/{view}/{iterator}/" for view in ("sync", "async") for iterator in ("sync", "async")]
ZONES = {"en": "UTC", "de": "Europe/Berlin", "fr": "Europe/Paris", "it": "Europe/Rome", "es": "Europe/Madrid"}
BELOW = ["--root-path", "/site", "--root-path-kept"]


@pytest.mark.parametrize("below", ["", "/site"])
def test_a_requests_state_is_seen_wherever_it_goes_and_nowhere_else(start, kind, below):
    server = start(kind, *(BELOW if below else ()), PROMISES_FRONT='["promises_site.choosing.Choosing"]')
    seeds = random.Random(1)

    def ask(number: int) -> None:
        language = seeds.choice([*ZONES])
        headers = {"X-Mark": f"m{number}", "Accept-Language": language, "X-Zone": ZONES[language]}
        home = "/"
        if number % 3 == 0:
            headers["X-Urls"], home = "promises_site.other", "/elsewhere/"
        wanted = f"m{number} m{number} {language} {ZONES[language]} {below}{home} {below}/"
        answer = get(server.url, below + SEEN[number % len(SEEN)], headers=headers)
        assert answer.status == 200
        assert answer.headers["X-Seen"] == wanted
        # The view, its hops, what it awaits, tasks that it makes, and each chunk on whichever side.
        assert set(answer.text.splitlines()) == {wanted}
        assert len(answer.text.splitlines()) >= 8

    def ask_for_nothing(number: int) -> str:
        with closing(Client(server.url)) as client:
            paths = ("/", "/home/async/", "/home/hop/")
            # A hop is on one of the threads where the others were, and so are the sync views.
            return "\n".join(client.call(below + path).text for path in paths * 3)

    with ThreadPoolExecutor(12) as pool:
        for _ in range(3):
            list(pool.map(ask, range(24)))
            texts = "\n".join(pool.map(ask_for_nothing, range(12))).splitlines()
            assert set(texts) == {f"unset unset en UTC {below}/ {below}/"}


def test_what_a_call_changes_is_seen_by_its_caller_on_either_side(server):
    """View to coroutine or thread, from there to the other side and to a thread again; what each found before it."""
    for _ in range(3):
        assert json.loads(get(server.url, "/there/sync/").body) == [["view"] * 2, ["coroutine"] * 2, ["deep"] * 2]
        assert json.loads(get(server.url, "/there/async/").body) == [["view"] * 2, ["thread"] * 2, ["deep"] * 2]
        assert get(server.url, "/").text.startswith("unset unset ")


def test_thread_locals_belong_to_the_request(server):
    def ask(number: int) -> list[str]:
        return json.loads(get(server.url, f"/thread-locals/{number}/").body)

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(48))) == [[str(number)] * 2 for number in range(48)]


# --- ATOMIC_REQUESTS (3.6) ---

ONLY_ASYNC = '["dispatch_site.middleware.only_async"]'


@pytest.fixture(params=["sync", "async"])
def atomic(start, kind, request) -> Serving:
    """Sync views on their own track, and as hops of the async one."""
    more = {"PROMISES_FRONT": ONLY_ASYNC} if request.param == "async" else {}
    return start(kind, PROMISES_ATOMIC="1", **more)


def rows(server: Serving) -> list[str]:
    return json.loads(get(server.url, "/rows/").body)


def test_atomic_requests_wrap_the_view(atomic, request):
    name = re.sub(r"\W", "", request.node.name)
    inside = json.loads(get(atomic.url, f"/atomic/?name={name}1").body)
    assert inside["atomic"] is True
    assert get(atomic.url, f"/atomic/?name={name}2&fail=1").status == 500
    outside = json.loads(get(atomic.url, f"/non-atomic/?name={name}3").body)
    assert outside["atomic"] is False
    assert get(atomic.url, f"/non-atomic/?name={name}4&fail=1").status == 500
    kept = [row.removeprefix(name) for row in rows(atomic) if row.startswith(name)]
    assert kept == ["1", "3", "4"]


def test_an_async_view_under_atomic_requests_is_refused_in_djangos_words(atomic, request):
    before = atomic.log.count("You cannot use ATOMIC_REQUESTS with async views.")
    assert get(atomic.url, "/atomic/async/").status == 500
    atomic.wait_for_log("RuntimeError: You cannot use ATOMIC_REQUESTS with async views.", times=before + 1)
    name = re.sub(r"\W", "", request.node.name)
    answer = json.loads(get(atomic.url, f"/non-atomic/async/?name={name}").body)
    assert answer == {"atomic": False, "thread": "MainThread"}
    assert name in rows(atomic)


# --- sync-only middleware around async views (1e, 3.16 c and g) ---


@pytest.fixture
def crowded(start, kind) -> Serving:
    """Two threads for requests that keep one, and a middleware that keeps one."""
    return start(kind, "--exclusive-threads", "2", PROMISES_FRONT='["promises_site.state.old"]')


def test_a_view_behind_sync_only_middleware_has_its_blocked_thread_for_its_calls(crowded):
    """More of them at once than there may be threads: those that wait for the loop do not count."""

    def ask(_: int) -> None:
        answer = get(crowded.url, "/behind/")
        told = json.loads(answer.body)
        thread = told["old"]
        assert told["view"] == "MainThread"
        # One thread, and what it keeps is the request's.
        assert told["calls"] == [[thread, "/behind/"]] * 6
        assert told["free"] != thread
        assert answer.headers["X-Old"] == f"{thread} {thread} True"

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, range(40)))


def test_requests_behind_sync_only_middleware_may_wait_for_each_other(crowded):
    answers = [Later(get, crowded.url, "/hop-and-meet/6/") for _ in range(6)]
    assert {answer.result().text for answer in answers} == {"MainThread"}


# --- the loop from threads (3.15, 3.16) ---


@pytest.fixture
def narrow(start, kind) -> Serving:
    return start(kind, "--exclusive-threads", "2")


def test_threads_that_wait_for_the_loop_make_room_for_others(narrow):
    answers = [Later(get, narrow.url, "/hop-and-meet/6/") for _ in range(6)]
    assert {answer.result().text for answer in answers} == {"MainThread"}
    answers = [Later(get, narrow.url, "/sensitive-after/6/") for _ in range(6)]
    pairs = [json.loads(answer.result().body) for answer in answers]
    # What is awaited from a blocked thread runs on that very thread.
    assert all(outer == inner for outer, inner in pairs)
    assert len({outer for outer, _ in pairs}) == 6


def test_threads_of_the_sync_pool_that_wait_for_the_loop_make_room_too(start, kind):
    server = start(kind, "--threads", "2")
    for _ in range(3):
        # As many again as there may be threads; they are gone when what they waited for has come.
        answers = [Later(get, server.url, "/sync-meet/4/") for _ in range(4)]
        assert {answer.result().text for answer in answers} == {"MainThread"}
    while json.loads(get(server.url, "/threads/").body).count("turnout-sync") > 2:
        pass


def test_async_to_sync_on_the_loop_is_refused_in_asgirefs_words(server):
    assert "You cannot use AsyncToSync in the same thread as an async event loop" in get(server.url, "/wrongly/").text


def test_the_loops_own_executor_may_wait_for_the_loop(server):
    assert json.loads(get(server.url, "/several/").body) == {"jobs": 40}


# --- tasks that outlive their request (3.19) ---


def test_tasks_that_outlive_their_requests_use_the_orm_in_their_requests_context(server, kind):
    def ask(number: int) -> None:
        headers = {"X-Mark": f"m{number}", "Accept-Language": "de", "X-Zone": "Europe/Berlin"}
        assert get(server.url, f"/orphan/{number}/", headers=headers).status == 200

    numbers = range(100, 120) if kind == "asgi" else range(200, 220)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, numbers))
    for number in numbers:
        server.wait_for_log(f"orphan {number} 1 m{number} m{number} de Europe/Berlin / /\n")
    # The threads they had are free: the next requests see nothing of them.
    for path in ("/", "/home/async/", "/home/hop/"):
        assert get(server.url, path).text == "unset unset en UTC / /"


# --- leaving (3.7, 3.11) ---


class Leaving:
    """A client that leaves in the middle, and what the server says of it."""

    def __init__(self, server: Serving, kind: str) -> None:
        self.server = server
        self.handler = HANDLERS[kind]
        self.before = server.log

    def after(self, path: str, said: str) -> Leaving:
        form = b"name=Marta"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        head += f"X-Mark: leaver\r\nContent-Length: {len(form)}\r\n\r\n"
        with socket.create_connection((self.server.host, self.server.port), timeout=30) as client:
            client.sendall(head.encode() + form)
            self.wait_for(said)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return self

    def wait_for(self, said: str) -> None:
        """Until it ends a line once more."""
        self.server.wait_for_log(f"{said}\n", times=self.before.count(f"{said}\n") + 1)

    def lines(self) -> list[str]:
        """What was said from the start of the request to its end, which comes once, from the handler, off the loop."""
        finished = rf"^finished (\S+) {self.handler} leaver$"
        ended = len(re.findall(finished, self.before, re.MULTILINE))
        self.server.wait_for_log(f"{self.handler} leaver\n", times=ended + 1)
        # Another request, to its end: the one that left has not ended a second time.
        get(self.server.url, "/", headers={"X-Mark": "next"})
        self.wait_for(f"{self.handler} next")
        log = self.server.log[len(self.before) :]
        (thread,) = re.findall(finished, log, re.MULTILINE)
        assert thread.startswith("turnout-")
        assert "Traceback" not in log
        own, _, _ = re.split(finished, log, flags=re.MULTILINE)
        return [line for line in own.splitlines() if not line.startswith(("started", "finished"))]


@pytest.fixture
def leaving(server, kind) -> Leaving:
    return Leaving(server, kind)


def test_a_view_that_is_cancelled_can_read_its_body_and_clean_up(leaving):
    lines = leaving.after("/waits/", "waits").lines()
    assert lines[:2] == ["waits", "cancelled with 10 Marta"]
    assert re.fullmatch(r"cleaned turnout-hop-\d+", lines[2])


def test_a_view_may_answer_all_the_same(leaving):
    assert leaving.after("/swallows/", "waits").lines() == ["waits", "cancelled with 10 Marta"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Task.cancelling() is of 3.11: nothing says that it was told")
def test_the_end_of_a_request_waits_for_its_cancelled_call(leaving):
    """asgiref tells the view at once; what runs on the thread has the request's connections until it ends."""
    leaving.after("/waits/thread/", "blocks")
    get(leaving.server.url, "/open/?told=1")
    assert set(leaving.lines()) == {"blocks", "cancelled", "unblocked"}


def test_what_a_thread_waits_for_on_the_loop_is_cancelled(leaving):
    lines = leaving.after("/waits/loop/", "waits").lines()
    assert lines == ["waits", "inner cancelled", "outer cancelled"]


@pytest.mark.parametrize("track", ["sync", "async"])
def test_a_stream_is_cancelled_where_it_waits(leaving, track):
    lines = leaving.after(f"/stream/{track}/", "waits").lines()
    assert lines[:2] == ["waits", "generator cancelled"]
    assert re.fullmatch(r"generator closed turnout-hop-\d+", lines[2])


@pytest.mark.parametrize("track", ["sync", "async"])
def test_a_stream_that_is_not_read_is_closed_when_its_client_leaves(leaving, track):
    lines = leaving.after(f"/stream/{track}/unread/", "yields").lines()
    assert lines[0] == "yields"
    assert re.fullmatch(r"generator closed turnout-hop-\d+", lines[1])


def test_a_sync_view_runs_to_its_end(leaving):
    leaving.after("/blocks/", "blocks")
    get(leaving.server.url, "/open/")
    assert leaving.lines() == ["blocks", "unblocked"]


# --- signals, on every way out (3.4) ---

WAYS = {
    "is-well": 200,
    "raises": 500,
    "is-missing": 404,
    "refuses": 403,
    "exits": 500,
    "is-no-response": 500,
}


@pytest.mark.parametrize("track", ["sync", "async"])
@pytest.mark.parametrize("way", [*WAYS, "fails-streaming", "HEAD", "is-nowhere", "redirects"])
def test_each_signal_comes_once_off_the_loop_from_the_handler(server, kind, track, way):
    before = server.log
    path = {"is-nowhere": "/nowhere/", "redirects": f"/ends/{track}/is-well"}.get(way, f"/ends/{track}/{way}/")
    with closing(Client(server.url)) as client:
        client.request("HEAD" if way == "HEAD" else "GET", path)
        try:
            with client.getresponse() as answer:
                answer.read()
        except (HTTPException, ConnectionResetError):
            assert way == "fails-streaming"
        else:
            assert answer.status == WAYS.get(way, {"is-nowhere": 404, "redirects": 301}.get(way, 200))
    server.wait_for_log("finished", times=before.count("finished") + 1)
    # One more, to its end.
    get(server.url, "/")
    server.wait_for_log("finished", times=before.count("finished") + 2)
    said = re.findall(r"^(started|finished) (\S+) (\S+) (.*)$", server.log[len(before) :], re.MULTILINE)
    assert [name for name, *_ in said] == ["started", "finished"] * 2
    assert {thread for _, thread, _, _ in said} & {"MainThread"} == set()
    assert {sender for _, _, sender, _ in said} == {HANDLERS[kind]}
    assert said[0][3] == f"['{'scope' if kind == 'asgi' else 'environ'}']"


@pytest.mark.parametrize("track", ["run_async", "run_sync"])
def test_a_request_that_cannot_be_made_has_its_signals_too(make, track):
    """Its query is no UTF-8, which the server does not let through: so without one. No handler made its response."""
    seen = []

    def note(sender, signal, **kwargs):
        seen.append((signal, sender, threading.current_thread() is threading.main_thread()))

    async def check(driver):
        assert (await getattr(driver, track)(path="/async/", query=b"a=\xff")).status == 400

    receivers = (request_started, request_finished)
    for signal in receivers:
        signal.connect(note)
    try:
        make(check)
    finally:
        for signal in receivers:
            signal.disconnect(note)
    assert seen == [(request_started, ASGIHandler, False), (request_finished, None, False)]


@pytest.mark.parametrize("path", ["/home/async/", "/"])
def test_a_body_that_never_comes_is_no_request(server, path):
    before = server.log
    with closing(Wire(server.url)) as wire:
        wire.send(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    get(server.url, "/", headers={"X-Mark": "after"})
    server.wait_for_log("finished", times=before.count("finished") + 1)
    assert server.log[len(before) :].count("started") == 1
