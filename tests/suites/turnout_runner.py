"""Runs Django's own tests through turnout's handlers and writes down how each one ended.

TURNOUT_SUITE_MODE says which: "async" (every client request through the async chain, ASGI natively; what blocks the
loop there is an error), "sync" (through the sync chain), "hybrid" (by the view's kind, ASGI on the step-aside path),
"differential" (through Django's own handlers, with every other beside it: turnout_differential.py).
TURNOUT_SUITE_RESULT names the file.
"""

import asyncio
import contextvars
import importlib
import io
import json
import os
import sys
import unittest
from contextlib import aclosing
from pathlib import Path

import django.core.asgi
import django.core.wsgi
import django.test.client
import django.test.testcases
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test.runner import DiscoverRunner
from django.urls import get_resolver
from loop_guard import guarded
from turnout_live import USED, TurnoutThread

from turnout.django.answers import headers_of
from turnout.django.asynctrack import AsyncTrack, is_async_view
from turnout.django.belongings import Resident
from turnout.django.hoppool import HopPool
from turnout.django.leaving import Waits
from turnout.django.lifecycle import end_thread, prepare_thread, settle_thread
from turnout.django.serving import AsyncServing, SyncServing, SyncTrack
from turnout.django.throughasgi import ThroughASGI

try:
    from turnout._turnout import Sending
except ImportError:  # Newer Pythons run some of the suites without the extension.
    Sending = None

MODE = os.environ.get("TURNOUT_SUITE_MODE", "hybrid")
# Whether all tests run inside a view: those that ask no handler.
INSIDE = os.environ.get("TURNOUT_SUITE_INSIDE") == "1"
# These want the extension too.
differential = importlib.import_module("turnout_differential") if MODE == "differential" else None
inside = importlib.import_module("turnout_inside") if INSIDE else None
# USED says how often a request went through which of turnout's parts: a suite that passes without has shown nothing.
StockClientHandler = django.test.client.ClientHandler
StockAsyncClientHandler = django.test.client.AsyncClientHandler


class AsyncChain(AsyncTrack, StockClientHandler):
    """The async chain of a test client's handler, whose requests are WSGIRequests."""

    turnout_kind = "wsgi"


class ClientHandler(SyncTrack, StockClientHandler):
    """self.client: Django's test handler, its response made by one of turnout's chains."""

    _async_chain = None

    def get_response(self, request):
        if MODE == "sync" or (MODE == "hybrid" and not self._wants_async(request)):
            USED["sync chain"] += 1
            return super().get_response(request)
        USED["async chain"] += 1
        if self._async_chain is None:
            self._async_chain = AsyncChain(self.enforce_csrf_checks)
            self._async_chain.load_middleware(is_async=True)
        with guarded():
            return async_to_sync(self._async_chain.turnout_respond)(request)

    def load_middleware(self, is_async=False):
        self._async_chain = None
        super().load_middleware(is_async)

    @staticmethod
    def _wants_async(request):
        try:
            match = get_resolver(settings.ROOT_URLCONF).resolve(request.path_info)
        except Exception:
            # No view, or a converter that says so in its own way.
            return False
        return is_async_view(match.func)


class AsyncClientHandler(AsyncTrack, StockAsyncClientHandler):
    """self.async_client: the async chain."""

    async def get_response_async(self, request):
        USED["async client"] += 1
        return await self.turnout_respond(request)


class SendExchange:
    """An Exchange over an ASGI `send`."""

    disconnected = False
    incoming = None

    def __init__(self, send):
        self._send = send
        self._later = []
        self._flushing = asyncio.Lock()
        self._first = None

    def respond(self, status, headers, body, reason=None):
        lines = [(name.encode("ascii"), value.encode("latin1")) for name, value in headers]
        self._later.append({"type": "http.response.start", "status": status, "headers": lines})
        self._later.append({"type": "http.response.body", "body": body})

    def respond_file(self, status, headers, file, reason=None):
        # No file for Rust here: it is streamed.
        return None

    def start(self, status, headers, reason=None):
        lines = [(name.encode("ascii"), value.encode("latin1")) for name, value in headers]
        self._later.append({"type": "http.response.start", "status": status, "headers": lines})
        self._first = asyncio.ensure_future(self.flush())

    async def write(self, chunk):
        await self.flush()
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def pull(self, source, make_bytes, plain):
        if Sending is not None:
            return await Sending(source, make_bytes, plain, self)
        async with aclosing(source):
            async for chunk in source:
                await self.write(make_bytes(chunk))
        self.end()

    def end(self):
        self._later.append({"type": "http.response.body"})

    def abort(self):
        self.disconnected = True

    def finish(self):
        pass

    async def flush(self):
        async with self._flushing:
            while self._later:
                await self._send(self._later.pop(0))


class NativeASGIHandler(AsyncTrack, ASGIHandler):
    """ASGIHandler whose requests run as on turnout's native path; this class plays Rust's part."""

    async def handle(self, scope, receive, send):
        USED["native asgi"] += 1
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        self.turnout_sender = type(self)
        hops = HopPool(lambda request: Resident(prepare_thread, settle_thread), end_thread)
        exchange = SendExchange(send)
        serving = AsyncServing(self, "asgi", hops)
        task = asyncio.create_task(serving.serve(scope, body, exchange))
        listener = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait([task, listener], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                exchange.disconnected = True
                task.cancel()
                await asyncio.wait([task])
            if listener.done() and not isinstance(listener.exception(), RequestAborted):
                raise listener.exception()
            if not exchange.disconnected:
                await exchange.flush()
        finally:
            listener.cancel()
            hops.close()


class SteppedASGIHandler(ThroughASGI, ASGIHandler):
    """ASGIHandler as it is served when something replaced its methods."""

    async def handle(self, scope, receive, send):
        USED["stepped asgi"] += 1
        await super().handle(scope, receive, send)


class NativeWSGIHandler(SyncTrack, WSGIHandler):
    """WSGIHandler whose requests run as on turnout's native path."""

    def __call__(self, environ, start_response):
        USED["native wsgi"] += 1
        self.turnout_sender = type(self)
        context = contextvars.copy_context()
        serving = SyncServing(self, "wsgi")
        response = serving.serve(environ, environ.get("wsgi.input", io.BytesIO()), context, Waits())
        headers = headers_of(response)
        if django.VERSION < (6, 0):
            # On the wire they are the same; Django's tests of that time look before.
            headers = [*response.items(), *(("Set-Cookie", c.output(header="")) for c in response.cookies.values())]
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        file, wrapper = getattr(response, "file_to_stream", None), environ.get("wsgi.file_wrapper")
        if file is None or wrapper is None:
            return response
        file.close = response.close
        return wrapper(file, response.block_size)


REPLACED = {
    ASGIHandler: SteppedASGIHandler if MODE == "hybrid" else NativeASGIHandler,
    WSGIHandler: NativeWSGIHandler if MODE == "sync" else WSGIHandler,
}


class Runner(DiscoverRunner):
    """Django's runner with turnout's handlers in the places where tests take theirs from."""

    def setup_test_environment(self, **kwargs):
        super().setup_test_environment(**kwargs)
        if differential:
            # The tests stay Django's own; beside them the answers are compared.
            differential.warm_up()
            django.test.client.ClientHandler = differential.ClientHandler
            django.test.client.AsyncClientHandler = differential.AsyncClientHandler
            return
        django.test.client.ClientHandler = ClientHandler
        django.test.client.AsyncClientHandler = AsyncClientHandler
        django.core.asgi.ASGIHandler = REPLACED[ASGIHandler]
        django.core.wsgi.WSGIHandler = REPLACED[WSGIHandler]
        django.test.testcases.LiveServerTestCase.server_thread_class = TurnoutThread
        # What the others serve, those that bring wsgiref's server.
        django.test.testcases.WSGIHandler = NativeWSGIHandler

    def build_suite(self, *args, **kwargs):
        suite = super().build_suite(*args, **kwargs)
        if differential:
            return suite
        tests = Path(sys.argv[0]).resolve().parent
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if file and Path(file).is_relative_to(tests):
                for name, value in list(vars(module).items()):
                    if isinstance(value, type) and value in REPLACED:
                        setattr(module, name, REPLACED[value])
        return suite

    def run_tests(self, *args, **kwargs):
        if inside:
            return inside.run_inside(MODE, lambda: super(Runner, self).run_tests(*args, **kwargs))
        return super().run_tests(*args, **kwargs)

    def get_resultclass(self):
        return Recording

    def suite_result(self, suite, result, **kwargs):
        with open(os.environ["TURNOUT_SUITE_RESULT"], "w") as file:
            found = {"run": result.testsRun, "bad": result.bad, "skipped": result.not_run, "used": USED}
            if differential:
                found["compared"] = differential.FOUND.as_json()
            json.dump(found, file)
        return super().suite_result(suite, result, **kwargs)


class Recording(unittest.TextTestResult):
    """Remembers the tests that were skipped or ended as they should not, each with its reason."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.bad = {}
        self.not_run = {}

    def startTest(self, test):
        super().startTest(test)
        if differential:
            differential.FOUND.test = test.id()

    def _note(self, test, error):
        self.bad[getattr(test, "test_case", test).id()] = f"{error[0].__name__}: {error[1]}".splitlines()[0]

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.not_run[test.id()] = reason

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.bad[test.id()] = "unexpected success"
