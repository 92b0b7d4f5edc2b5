"""Serving through handlers that somebody replaced, through opaque ASGI applications, and `--compat`.

Where an error tracker or tracer has replaced methods of Django's handlers, its outermost function is called with a
receive/send pair as by any ASGI server, and finds our chains inside: an async request runs as on the native path, a
sync one whole on one thread of the sync pool. An application that is not Django's handler, or `--compat`, runs as it
is, on an exclusive thread from the pool instead of one started a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

from asgiref.sync import SyncToAsync
from django.core import signals
from django.core.handlers.asgi import get_script_prefix
from django.core.handlers.base import BaseHandler

from turnout._turnout import SyncPool
from turnout.django.decisions import LEARNED_MAX
from turnout.django.hoppool import BorrowedThreads
from turnout.django.hops import NoThreadInTime, RequestContext, RequestThread, ThreadSource
from turnout.django.leaving import Waits
from turnout.django.lifecycle import started
from turnout.django.routes import ASYNC, SYNC
from turnout.django.serving import SyncTrack
from turnout.django.throughasgi import ThroughASGI, sync_track
from turnout.incoming import current_scope

if TYPE_CHECKING:
    from turnout.django.handler import DjangoHandler

_executors = SyncToAsync.context_to_thread_executor
_thread_context = SyncToAsync.thread_sensitive_context


class StepAside:
    """The plain ASGI and WSGI faces of a project."""

    def __init__(self, handler: DjangoHandler) -> None:
        self._handler = handler
        self._through: Any = None
        self._wsgi: Any = None
        self._sync_threads: dict[str, ThreadSource] = {}

    @property
    def uses_tracks(self) -> bool:
        """Whether our chains run inside: a Django handler whose class overrides nothing they need."""
        handler = self._handler
        return handler.known and not handler.compat and not handler.overridden

    def load(self) -> None:
        """Make the chains that will be needed, at the start."""
        handler = self._handler
        if not self.uses_tracks:
            own = type(handler.application).load_middleware is not BaseHandler.load_middleware
            # One with a way of its own (StaticFilesHandler) has none to load, or did it when it was made.
            if not own and getattr(handler.application, "_view_middleware", None) is None:
                handler.application.load_middleware(is_async=handler.request_kind == "asgi")
        elif handler.request_kind == "wsgi":
            self._wsgi_application()
        else:
            self._application(False)
            if handler.decisions.views()[0]:
                handler.sync_serving()

    async def asgi(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._handler.application(scope, receive, send)
            return
        track, route = self._track(scope) if self.uses_tracks else (ASYNC, "")
        sync = track == SYNC
        source = self._borrowed(route) if sync else self._handler.hops
        thread = RequestThread(source, prepare=self.uses_tracks and started.only_own())
        thread.accounted = current_scope.get()
        context = RequestContext()
        _executors[context] = thread
        before = _thread_context.set(context)
        answered = False

        async def noting_send(message: dict[str, Any]) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._application(sync)(scope, receive, noting_send)
        except NoThreadInTime:
            if answered:
                raise
            headers = [(b"retry-after", b"5"), (b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"No thread came free in time."})
        except SystemExit as error:
            # asyncio would end the loop, and the worker with it.
            raise RuntimeError(f"SystemExit({error.code}) in the project") from error
        finally:
            thread.release()
            # Whoever called may have threads of its own.
            with contextlib.suppress(ValueError):
                _thread_context.reset(before)

    def wsgi(self, environ: dict[str, Any], start_response: Any, context: contextvars.Context, waits: Waits) -> Any:
        """One WSGI call, in a context of its own that its iterator and close() keep."""
        application = self._wsgi_application()
        SyncToAsync.threadlocal.task_context = waits
        context.run(current_scope.set, waits.incoming)
        try:
            response = context.run(application, environ, start_response)
        except asyncio.CancelledError:
            if waits.left:
                # No response, so nobody closes one.
                waits.settle()
                context.run(signals.request_finished.send, sender=type(self._handler.application))
            raise
        return _InContext(response, context, waits)

    def _wsgi_application(self) -> Any:
        if self._wsgi is None:
            handler = self._handler
            self._wsgi = handler.track(SyncTrack, is_async=False) if self.uses_tracks else handler.application
        return self._wsgi

    def _track(self, scope: dict[str, Any]) -> tuple[int, str]:
        headers = dict(scope.get("headers", ()))
        host = headers.get(b"host", b"").decode("latin1")
        path = scope["path"].removeprefix(get_script_prefix(scope).rstrip("/")) or "/"
        track, _, route = self._handler.decisions.decide(path, host)
        return track, route

    def _application(self, sync: bool) -> Any:
        if not self.uses_tracks:
            return self._handler.application
        if self._through is None:
            self._through = self._handler.track(ThroughASGI, is_async=True)
            self._through.turnout_sync = lambda: self._handler.sync_serving().handler
            self._through.turnout_timing = self._handler.timing
        sync_track.set(sync)
        return self._through

    def _borrowed(self, route: str) -> ThreadSource:
        """Threads of the sync pool, in the line of this route's view."""
        pool = self._handler.sync_pool
        if pool is None:
            return self._handler.hops
        source = self._sync_threads.get(route)
        if source is None:
            if len(self._sync_threads) >= LEARNED_MAX:
                self._sync_threads.clear()
            line = pool.line(route) if isinstance(pool, SyncPool) else pool
            source = self._sync_threads[route] = BorrowedThreads(line, self._handler.resident)
        return source


class _InContext:
    """A WSGI response whose iteration and close run in the request's context."""

    def __init__(self, response: Any, context: contextvars.Context, waits: Waits) -> None:
        self.response = response
        self._context = context
        self._waits = waits
        self._chunks: Any = None

    def __iter__(self) -> _InContext:
        self._chunks = self._context.run(iter, self.response)
        return self

    def __next__(self) -> bytes:
        return self._context.run(next, self._chunks)

    def close(self) -> None:
        self._waits.settle()
        close = getattr(self.response, "close", None)
        if close is not None:
            self._context.run(close)
