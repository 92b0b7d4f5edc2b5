"""What an async request does on the loop, on its thread, and when it ends before its time."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref

import pytest
from asgiref.sync import SyncToAsync
from django.core import signals
from django.db import connections
from django.db.backends.signals import connection_created
from django_driver import until
from tracks_site import views


def test_an_async_view_with_startprojects_middleware_takes_no_thread(make):
    async def check(driver):
        answer = await driver.run_async(path="/async/")
        assert answer.status == 200
        assert json.loads(answer.body) == {"track": "async", "thread": "MainThread"}
        assert answer.header("X-Frame-Options") == "DENY"
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert driver.handler.hops.threads == 0

    make(check)


def test_the_answer_is_the_one_django_gives(make):
    async def check(driver):
        for path in ("/async/", "/boom/", "/missing/", "/forbidden/", "/async", "/nothing", "/template/"):
            on_loop, on_thread = await driver.run_async(path=path), await driver.run_sync(path=path)
            assert (on_loop.status, sorted(on_loop.headers)) == (on_thread.status, sorted(on_thread.headers)), path
            assert on_loop.body == on_thread.body, path

    make(check)
    make(check, kind="wsgi")


def test_contextvars_go_to_the_thread_and_back(make):
    async def check(driver):
        assert json.loads((await driver.run_async(path="/context/")).body) == {"in_hop": "view", "after": "hop"}

    make(check)


def test_error_handlers_run_on_the_requests_thread(make, events):
    def note(sender, request, **kwargs):
        events.append(views.thread())

    async def check(driver):
        assert (await driver.run_async(path="/boom/")).status == 500
        assert (await driver.run_async(path="/boom/")).status == 500
        assert events == ["turnout-hop-1", "turnout-hop-1"]

    signals.got_request_exception.connect(note)
    try:
        make(check)
    finally:
        signals.got_request_exception.disconnect(note)


class Signals:
    """Counts both request signals, with the thread they came on."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, object]] = []

    def started(self, sender, **kwargs):
        self.seen.append(("started", views.thread(), sender))
        assert "scope" in kwargs or "environ" in kwargs

    def finished(self, sender, **kwargs):
        self.seen.append(("finished", views.thread(), sender))

    def __enter__(self):
        signals.request_started.connect(self.started)
        signals.request_finished.connect(self.finished)
        return self

    def __exit__(self, *_):
        signals.request_started.disconnect(self.started)
        signals.request_finished.disconnect(self.finished)


@pytest.mark.parametrize(
    "path",
    ["/async/", "/sync/", "/boom/", "/missing/", "/exit/", "/stream/", "/async-stream/", "/bad-header/", "/file/"],
)
@pytest.mark.parametrize("track", ["run_async", "run_sync", "run_asgi"])
def test_both_signals_fire_once_on_one_thread(make, path, track):
    async def check(driver):
        with Signals() as signals_seen:
            try:
                await getattr(driver, track)(path=path)
            except RuntimeError:
                assert path == "/exit/"
        names = [name for name, _, _ in signals_seen.seen]
        threads = {thread for _, thread, _ in signals_seen.seen}
        senders = {sender for _, _, sender in signals_seen.seen}
        assert names == ["started", "finished"]
        # An async iterator of the sync track leaves the thread that began: it ends on one of the loop's.
        assert len(threads) == 1 + ((track, path) == ("run_sync", "/async-stream/"))
        assert "MainThread" not in threads
        assert senders == {type(driver.handler.application)}

    make(check)


@pytest.mark.parametrize("path", ["/slow/", "/swallow/", "/endless/"])
def test_signals_fire_once_when_the_peer_leaves(make, path, events):
    async def leave(exchange):
        while not events and not exchange.answer.chunks:
            await asyncio.sleep(0.01)
        # Until the project's code waits, not the write of its chunk.
        await asyncio.sleep(0.05)

    async def check(driver):
        with Signals() as signals_seen:
            await driver.run_async(path=path, leave=leave)
        assert [name for name, _, _ in signals_seen.seen] == ["started", "finished"]
        assert all(thread.startswith("turnout-hop") for _, thread, _ in signals_seen.seen)
        await until(lambda: driver.handler.hops.busy == 0)

    make(check)
    assert (
        events[-1:] == {"/slow/": ["slow cancelled"], "/swallow/": ["swallowed"], "/endless/": ["endless closed"]}[path]
    )
    if path == "/endless/":
        assert "endless cancelled" in events


def test_an_async_receiver_of_request_started_is_awaited(make, events):
    async def receiver(sender, **kwargs):
        events.append("async receiver")

    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200

    signals.request_started.connect(receiver)
    signals.request_finished.connect(receiver)
    try:
        make(check)
    finally:
        signals.request_started.disconnect(receiver)
        signals.request_finished.disconnect(receiver)
    assert events == ["async receiver", "async receiver"]


def test_streams_are_pulled_where_they_belong(make, events):
    async def check(driver):
        answer = await driver.run_async(path="/stream/")
        assert answer.text == "0 stream 1 stream 2 stream "
        assert events == [f"chunk {n} in turnout-hop-1" for n in range(3)]
        assert (await driver.run_async(path="/async-stream/")).text == "0 1 2 "
        assert events[-1] == "async stream closed"
        assert (await driver.run_async(path="/mixed-stream/")).text == "0 turnout-hop-1 1 turnout-hop-1 "
        assert (await driver.run_sync(path="/async-stream/")).text == "0 1 2 "
        with open(views.__file__, "rb") as expected:
            content = expected.read()
        for path in ("/file/", "/async-file/"):
            assert (await driver.run_async(path=path)).body == content
            assert (await driver.run_sync(path=path)).body == content

    make(check)


def test_an_illegal_head_is_one_500(make):
    async def check(driver):
        answer = await driver.run_async(path="/bad-header/")
        assert (answer.status, answer.body, answer.ended) == (500, b"Internal Server Error", True)

    make(check)


def test_sys_exit_is_one_500_and_the_next_request_is_served(make):
    async def check(driver):
        for path in ("/exit/", "/sync-exit/"):
            for run in (driver.run_async, driver.run_sync):
                assert (await run(path=path)).status == 500
        assert (await driver.run_async(path="/async/")).status == 200

    make(check)


def test_tasks_that_outlive_the_request_keep_a_thread(make, events):
    async def check(driver):
        await driver.run_async(path="/orphan/")
        await asyncio.gather(*views.request_tasks)
        views.request_tasks.clear()
        await until(lambda: driver.handler.hops.busy == 0)

    make(check)
    assert [event.rstrip("0123456789") for event in events] == ["orphan counted True on turnout-hop-"]


def test_tasks_that_outlive_the_request_leave_no_connection(make):
    opened = []

    def note(connection, **kwargs):
        opened.append(connection)

    async def check(driver):
        await driver.run_async(path="/orphan/")
        await asyncio.gather(*views.request_tasks)
        views.request_tasks.clear()
        await until(lambda: driver.handler.hops.busy == 0)
        assert opened
        assert all(connection.connection is None for connection in opened)

    connections.databases["default"]["CONN_MAX_AGE"] = 0
    connection_created.connect(note)
    try:
        make(check)
    finally:
        connection_created.disconnect(note)
        connections.databases["default"]["CONN_MAX_AGE"] = 600


def test_an_abandoned_transaction_ends_with_its_request(make):
    async def check(driver):
        assert (await driver.run_async(path="/tx/")).status == 200
        assert driver.handler.keepers.seen == {
            (
                "tracks_site.views.open_transaction",
                "a transaction on the database 'default' stays open between its hops",
            )
        }
        await until(lambda: driver.handler.hops.busy == 0)
        for _ in range(3):
            seen = json.loads((await driver.run_async(path="/in-tx/")).body)
            assert not seen["in_atomic_block"]

    make(check)


def test_database_connections_are_reused(make):
    opened = []

    def note(connection, **kwargs):
        opened.append(connection)

    async def check(driver):
        for _ in range(5):
            assert (await driver.run_async(path="/async-items/")).status == 200
            assert (await driver.run_sync(path="/items/")).status == 200

    connection_created.connect(note)
    try:
        make(check)
    finally:
        connection_created.disconnect(note)
    assert len(opened) <= 1 + 4


def test_sessions_and_messages_are_kept(make):
    async def check(driver):
        for path, run in (("/async-session/", driver.run_async), ("/session/", driver.run_sync)):
            first = await run(path=path)
            cookie = ("Cookie", f"sessionid={first.cookies()['sessionid']}")
            assert json.loads((await run(path=path, headers=[cookie])).body) == {"n": 2}
        assert "messages" in (await driver.run_async(path="/message/")).cookies()

    make(check)


def test_a_request_that_django_refuses_gets_400(make):
    async def check(driver):
        for run in (driver.run_async, driver.run_sync):
            assert (await run(path="/async/", query=b"a=\xff")).status == 400

    make(check)


def test_the_peers_leaving_reaches_a_view_behind_sync_only_middleware(make, with_middleware, events):
    async def leave(exchange):
        await until(lambda: "slow started" in events)

    async def check(driver):
        await driver.run_async(path="/slow/", leave=leave)
        await until(lambda: "slow cancelled" in events and driver.handler.hops.busy == 0)
        assert (await driver.run_async(path="/hop/")).status == 200

    make(check, settings=with_middleware("sync_only"))


def test_error_pages_that_ask_the_database_leave_no_connection_open(make, with_middleware):
    """Under Django's own ASGI handler they stay open on the threads of the loop's executor until the process ends."""
    opened = []

    def note(connection, **kwargs):
        opened.append(connection)

    async def check(driver):
        answers = await asyncio.gather(*(driver.run_async(path="/missing/") for _ in range(20)))
        assert {answer.text for answer in answers} == {"none of 0"}
        await until(lambda: driver.handler.hops.busy == 0)
        assert opened
        assert all(connection.connection is None for connection in opened)

    connections.databases["default"]["CONN_MAX_AGE"] = 0
    connection_created.connect(note)
    try:
        make(check, settings={"ROOT_URLCONF": "tracks_site.counting_404"})
    finally:
        connection_created.disconnect(note)
        connections.databases["default"]["CONN_MAX_AGE"] = 600


def test_nothing_of_a_request_outlives_it(make):
    async def check(driver):
        made = []
        responses = driver.handler.async_serving().handler

        async def respond(request, original=responses.turnout_respond):
            made.append(weakref.ref(request))
            return await original(request)

        responses.turnout_respond = respond
        for _ in range(20):
            for path in ("/async/", "/hop/", "/async-stream/", "/stream/", "/template/"):
                await driver.run_async(path=path)
        await until(lambda: driver.handler.hops.busy == 0)
        await asyncio.sleep(0)
        gc.collect()
        assert len(made) == 100
        # The last one may still be held by a frame that is about to go.
        assert sum(request() is not None for request in made) <= 2
        assert len(SyncToAsync.context_to_thread_executor) <= 2

    make(check)
