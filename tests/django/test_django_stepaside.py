"""Requests through replaced handlers, opaque applications and --compat."""

from __future__ import annotations

import asyncio
import functools
import json

import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from tracks_site import views
from wire import get

from turnout.testing import LiveServer

PATCHES = [
    (ASGIHandler, "__call__"),
    (ASGIHandler, "create_request"),
    (BaseHandler, "get_response_async"),
    (BaseHandler, "get_response"),
]


def patch(monkeypatch, cls, name, log):
    """As tracers do it: another function on Django's class that calls the old one."""
    old = getattr(cls, name)

    if asyncio.iscoroutinefunction(old):

        @functools.wraps(old)
        async def patched(self, *args):
            log.append(name)
            return await old(self, *args)
    else:

        @functools.wraps(old)
        def patched(self, *args):
            log.append(name)
            return old(self, *args)

    monkeypatch.setattr(cls, name, patched)


def test_shipped_handlers_are_served_natively(make):
    async def check(driver):
        assert driver.handler.native
        assert driver.handler.replaced == []
        assert driver.handler.overridden == []

    make(check)
    make(check, kind="wsgi")


@pytest.mark.parametrize(("cls", "name"), PATCHES)
def test_a_replaced_method_is_called_and_both_tracks_stay(make, monkeypatch, cls, name):
    log: list[str] = []
    patch(monkeypatch, cls, name, log)

    async def check(driver):
        assert not driver.handler.native
        assert driver.handler.replaced == [name]
        assert any(name in note for note in driver.handler.describe()["notes"])
        driver.handler.sync_pool = driver.pool
        on_loop = json.loads((await driver.run_asgi(path="/async/")).body)
        assert on_loop == {"track": "async", "thread": "MainThread"}
        assert driver.handler.hops.threads == 0
        whole = json.loads((await driver.run_asgi(path="/sync/")).body)
        assert whole["thread"].startswith("turnout-sync")
        expected = {"get_response": 1, "get_response_async": 1}.get(name, 2)
        assert log == [name] * expected

    make(check)


@pytest.mark.parametrize("name", ["__call__", "get_response"])
def test_a_replaced_wsgi_method_is_called(make, monkeypatch, name):
    log: list[str] = []
    patch(monkeypatch, WSGIHandler if name == "__call__" else BaseHandler, name, log)

    async def check(driver):
        assert not driver.handler.native
        for path in ("/sync/", "/async/", "/stream/", "/file/"):
            answer = await asyncio.to_thread(driver.run_wsgi, path=path)
            assert answer.status == 200
            assert answer.body
        assert log == [name] * 4

    make(check, kind="wsgi")


def test_bodies_streams_and_errors_go_through(make, monkeypatch, events):
    patch(monkeypatch, ASGIHandler, "__call__", [])

    async def check(driver):
        driver.handler.sync_pool = driver.pool
        sent = await driver.run_asgi(path="/echo/", method="POST", body=b"hello")
        assert json.loads(sent.body)["body"] == "hello"
        assert (await driver.run_asgi(path="/stream/")).text == "0 stream 1 stream 2 stream "
        assert all("turnout-sync" in event for event in events)
        assert (await driver.run_asgi(path="/async-stream/")).text == "0 1 2 "
        assert (await driver.run_asgi(path="/boom/")).status == 500
        assert (await driver.run_asgi(path="/sync-boom/")).status == 500
        assert (await driver.run_asgi(path="/nothing/")).status == 404
        assert (await driver.run_asgi(path="/async/", query=b"\xff")).status == 400

    make(check)


@pytest.mark.parametrize(("path", "last"), [("/slow/", "slow cancelled"), ("/swallow/", "swallowed")])
def test_the_peers_leaving_cancels_the_view(make, monkeypatch, events, path, last):
    patch(monkeypatch, ASGIHandler, "__call__", [])

    async def leave(answer):
        while not events:
            await asyncio.sleep(0.01)

    async def check(driver):
        await asyncio.wait_for(driver.run_asgi(path=path, leave=leave), 10)
        assert events[-1] == last
        assert driver.handler.hops.busy == 0 or (await asyncio.sleep(0.1)) is None

    make(check)


def test_compat_runs_djangos_own_handler_on_a_pooled_thread(make):
    async def check(driver):
        assert not driver.handler.native
        for _ in range(3):
            names = json.loads((await driver.run_asgi(path="/hop/")).body)
            assert names["first"] == names["second"]
            assert names["first"].startswith("turnout-hop-")
        assert (await driver.run_asgi(path="/sync/")).status == 200

    make(check, compat=True)


def test_a_handler_class_of_the_projects_own_is_respected(make):
    class Handler(ASGIHandler):
        async def get_response_async(self, request):
            response = await super().get_response_async(request)
            response["X-Own"] = "yes"
            return response

    async def check(driver):
        assert driver.handler.overridden == ["get_response_async"]
        answer = await driver.run_asgi(path="/async/")
        assert (answer.status, answer.header("X-Own")) == (200, "yes")

    make(check, application=Handler())


def test_a_harmless_subclass_stays_native(make):
    class Handler(ASGIHandler):
        greeting = "hello"

    async def check(driver):
        assert driver.handler.native
        assert (await driver.run_async(path="/async/")).status == 200

    make(check, application=Handler())


def test_an_opaque_asgi_application_gets_a_pinned_thread(make):
    class Wrapper:
        def __init__(self, inner):
            self.inner = inner

        async def __call__(self, scope, receive, send):
            await self.inner(scope, receive, send)

    async def check(driver):
        assert not driver.handler.native
        assert driver.handler.describe()["notes"]
        assert json.loads((await driver.run_asgi(path="/async/")).body)["track"] == "async"
        assert json.loads((await driver.run_asgi(path="/sync/")).body)["thread"].startswith("turnout-hop-")

    make(check, application=Wrapper(get_asgi_application()))


def test_wsgi_requests_do_not_see_each_others_context(make):
    async def check(driver):
        def twice():
            driver.run_wsgi(path="/stream/")
            assert views.marker.get() == "unset"
            return driver.run_wsgi(path="/stream/").text

        assert await asyncio.to_thread(twice) == "0 stream 1 stream 2 stream "

    make(check, kind="wsgi", compat=True)


@pytest.mark.parametrize(
    ("around", "make_application"),
    [(StaticFilesHandler, get_wsgi_application), (ASGIStaticFilesHandler, get_asgi_application)],
)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators:Warning")
def test_djangos_static_files_handler_may_be_around_the_application(around, make_application):
    with (
        override_settings(STATIC_URL="static/", INSTALLED_APPS=[*settings.INSTALLED_APPS, "django.contrib.admin"]),
        LiveServer(around(make_application())) as server,
    ):
        assert get(server.url, "/sync/").status == 200
        assert get(server.url, "/static/admin/css/base.css").headers["Content-Type"] == "text/css"
        assert get(server.url, "/static/no-such-file").status == 404
