"""Django's LiveServerTestCase behind turnout's own sockets: its server thread runs a LiveServer.

What wants a server class of Django's own (`CloseConnectionTestServer`, `WSGIServer`) brings a server thread of its own
and keeps it. By mode: "async", a project with an asgi.py whose every request takes the async track; "sync", one with a
wsgi.py, natively; "hybrid", Django's static files handler around it, so that the native path steps aside.
"""

import os
import threading
from collections import Counter
from contextlib import ExitStack
from unittest import mock

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.http import Http404
from django.test import override_settings
from django.test.testcases import LiveServerThread, _MediaFilesHandler
from django.utils.deprecation import MiddlewareMixin

from turnout.django.decisions import Decisions
from turnout.django.routes import ASYNC

MODE = os.environ.get("TURNOUT_SUITE_MODE", "hybrid")
USED: Counter[str] = Counter()


class TurnoutThread(LiveServerThread):
    """Takes the place of the thread that runs wsgiref's server."""

    def run(self):
        # Here, because it wants the extension, which not every Python that runs the other labels has.
        from turnout.testing import LiveServer

        try:
            with self.surroundings():
                self.live = LiveServer(self.application(), bind=f"{self.host}:{self.port}", threads=16)
                self.port = self.live.port
                self.is_ready.set()
                self.live.run()
        except Exception as error:
            self.error = error
            self.is_ready.set()
        finally:
            connections.close_all()

    def terminate(self):
        if hasattr(self, "live"):
            self.live.stop()
        self.join()

    def application(self):
        files = self.static_handler(_MediaFilesHandler(WSGIHandler()))
        if MODE == "hybrid":
            return files
        Files.handlers = [files, files.application]
        return ASGIHandler() if MODE == "async" else WSGIHandler()

    def surroundings(self):
        stack = ExitStack()
        # Every thread that serves asks for connections of its own, and gets those of the test.
        create = connections.create_connection
        owner = threading.main_thread()

        def connection(alias):
            own = threading.current_thread() is owner
            return create(alias) if own else (self.connections_override or {}).get(alias) or create(alias)

        stack.enter_context(mock.patch.object(connections, "create_connection", connection))
        # Natively there is no handler to put around: files come from a middleware, as they do with WhiteNoise.
        more = ["turnout_live.Counted"] if MODE == "hybrid" else ["turnout_live.Counted", "turnout_live.Files"]
        stack.enter_context(override_settings(MIDDLEWARE=[*more, *settings.MIDDLEWARE]))
        if MODE == "async":
            stack.enter_context(mock.patch.object(Decisions, "routes", return_value=[("", ASYNC)]))
        return stack


class Counted(MiddlewareMixin):
    """Notes on what kind of thread a request arrived."""

    def process_request(self, request):
        USED[f"live {threading.current_thread().name.rpartition('-')[0]}"] += 1


class Files(MiddlewareMixin):
    """What Django's file handlers do around a live server's handler."""

    handlers = ()

    def process_request(self, request):
        for handler in self.handlers:
            if handler._should_handle(request.path):
                try:
                    return handler.serve(request)
                except Http404 as error:
                    return response_for_exception(request, error)
