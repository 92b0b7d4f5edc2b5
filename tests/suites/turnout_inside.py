"""Runs all of a suite inside one request: what its tests ask of connections and transactions, they ask where views do.

By mode: "async", from an async view through `sync_to_async` behind an asgi.py; "sync", in a sync view behind a wsgi.py;
"hybrid", from an async view behind a wsgi.py.
"""

import asyncio
import io
import sys
import threading
import types
import unittest

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test.utils import override_settings
from django.urls import path
from turnout_live import USED
from turnout_replay import Exchange, scope_of

from turnout.django.handler import DjangoHandler

URLCONF = "turnout_inside_urls"


def run_inside(mode, run):
    """What `run` returns, called in a view."""
    outcome = []
    ours = override_settings(ROOT_URLCONF=URLCONF, MIDDLEWARE=[])

    def called():
        # The suite has its own.
        ours.disable()
        USED[f"in {threading.current_thread().name.rpartition('-')[0] or 'a sync request'}"] += 1
        try:
            outcome.append(run())
        except BaseException as error:
            outcome.append(error)
        finally:
            ours.enable()

    def view(request):
        called()
        return HttpResponse()

    async def async_view(request):
        await sync_to_async(called)()
        return HttpResponse()

    urls = types.ModuleType(URLCONF)
    urls.urlpatterns = [path("", view if mode == "sync" else async_view)]
    sys.modules[URLCONF] = urls
    # For Ctrl-C, and only the main thread may set it.
    unittest.installHandler = lambda: None
    with ours:
        if mode == "sync":
            handler = DjangoHandler(WSGIHandler())
            handler.finish_sync(handler.serve_sync(environ(), io.BytesIO()))
        else:
            asyncio.run(serve(mode))
    (result,) = outcome
    if isinstance(result, BaseException):
        raise result
    return result


async def serve(mode):
    kind, application = ("asgi", ASGIHandler()) if mode == "async" else ("wsgi", WSGIHandler())
    handler = DjangoHandler(application, loop=asyncio.get_running_loop())
    source = environ() if kind == "wsgi" else scope_of(environ())
    try:
        await handler.serve_async(source, io.BytesIO(), Exchange(kind, {}))
    finally:
        handler.close()


def environ():
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }
