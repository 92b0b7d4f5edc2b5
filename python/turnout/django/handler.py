"""What Rust calls: one `DjangoHandler` a worker, made from the project's application object.

`serve_sync` runs a request whole on a sync-pool thread; `serve_async` runs one on the loop. Both use the one request
class of the deployment: ASGIRequest when the project's entry point is ASGI, WSGIRequest when it is WSGI.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, suppress
from typing import Any, BinaryIO, Literal

from asgiref.sync import SyncToAsync
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import get_resolver, set_script_prefix, set_urlconf

from turnout._turnout import SyncPool
from turnout.django import (
    answers,
    connections,
    declared,
    hooks,
    queries,
    routes,
    shipped,
    shortcuts,
    threadlocals,
    timing,
)
from turnout.django.asynctrack import AsyncTrack, seeded_urlconf
from turnout.django.belongings import Resident, Rules, Travelling
from turnout.django.beside import own_thread
from turnout.django.connections import Store
from turnout.django.decisions import Decisions
from turnout.django.describe import describe
from turnout.django.hoppool import HopPool
from turnout.django.hops import RequestThread
from turnout.django.keeping import Keepers
from turnout.django.leaving import Waits, for_nobody
from turnout.django.lifecycle import end_thread, may_share_cache, prepare_thread, settle_thread
from turnout.django.loose import LooseThreads
from turnout.django.requests import meta_cookies
from turnout.django.serving import AsyncServing, SyncServing, SyncTrack
from turnout.django.stepaside import StepAside
from turnout.django.streaming import AsyncStreams, Guest
from turnout.django.targets import all_foreign, known

log = logging.getLogger("turnout.django")

# Of so many threads one may make pages for paths that lead nowhere.
NOWHERE_SHARE = 4


class DjangoHandler:
    """The project, ready to serve. Made on the loop thread, before the loop runs."""

    request_kind: Literal["asgi", "wsgi"]
    native: bool

    def __init__(
        self,
        application: Any,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        sync_pool: Executor | None = None,
        compat: bool = False,
        inner: bool = False,
        request_why: str = "",
        hop_threads: int = 8,
        exclusive_threads: int = 64,
        connection_sharing: str = "hop",
        thread_sharing: str = "shared",
        server_timing: str = "off",
        accounting: str = "off",
        thread_wait: float = 30.0,
        thread_idle: float = 60.0,
    ) -> None:
        kind = type(application)
        self.application = application
        self.known = issubclass(kind, (ASGIHandler, WSGIHandler))
        self.request_kind = "wsgi" if issubclass(kind, WSGIHandler) else "asgi"
        self.request_why = request_why or f"the application is a {kind.__module__}.{kind.__qualname__}"
        self.compat = compat
        self.loop = loop
        self.sync_pool = sync_pool
        self._native_pool = sync_pool if isinstance(sync_pool, SyncPool) else None
        # What requests on the loop share, unless Django's own rule is wanted: a thread, and its connections, each.
        self.rules = Rules(connection_sharing == "hop", thread_sharing == "shared" and threadlocals.installed())
        self.timing = timing.rule(server_timing)
        queries.timed = accounting != "off"
        self.keepers = Keepers()
        self.store = Store(lambda: self.hops.threads)
        self.hops = HopPool(
            self.resident if compat else lambda request: Travelling(self.store, self.rules),
            self.store.trim,
            hop_threads=hop_threads,
            cap=exclusive_threads,
            wait_seconds=thread_wait,
            idle_seconds=thread_idle,
            kept=None if compat else self.keepers.note,
        )
        if compat:
            self.hops.runs = all_foreign
        self.overridden = shipped.overridden(kind) if self.known else []
        self.replaced = shipped.replaced(kind) if self.known else []
        # `inner`: requests come through somebody else's application (inner.py).
        self.native = self.known and not (compat or inner or self.overridden or self.replaced)
        # As in the sync pool: whoever makes up paths must not have all threads (docs/decisions/0020).
        self._nowhere = asyncio.Semaphore(max(1, exclusive_threads // NOWHERE_SHARE))
        #: What startup hooks have set, for the requests of every thread.
        self.inherited: Mapping[contextvars.ContextVar[Any], Any] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self._sync: SyncServing | None = None
        self._async: AsyncServing | None = None
        self._async_streams: AsyncStreams | None = None
        self.decisions = Decisions(self)
        self.step_aside = StepAside(self)
        logging.getLogger("django.request").addFilter(for_nobody)
        if self.native:
            shortcuts.install()
        if not compat:
            connections.install()
            if loop is not None:
                loop.set_default_executor(LooseThreads())
        if self.known:
            self._warm_up()
        # How Rust joins Cookie fields in the META it builds; None: Django builds META.
        self.meta_cookies = meta_cookies(kind) if self.native else None
        # What ASGIRequest takes off its path, whatever root path the server has.
        forced = settings.FORCE_SCRIPT_NAME if self.known and self.request_kind == "asgi" else None
        self.forced_script_name: str | None = forced or None
        # Bodies up to this size are handed over in memory, larger ones as a file.
        self.body_in_memory: int = settings.FILE_UPLOAD_MAX_MEMORY_SIZE if self.known else 2621440

    # --- the sync track ---

    def serve_sync(self, source: dict[str, Any], body: BinaryIO, waits: Waits | None = None) -> Any:
        """A whole request on this sync-pool thread; then comes `finish_sync` on the same one, or `begin_stream`.

        Whoever knows when the peer leaves gives `waits`, and calls its `leave` on the loop.
        """
        context = self._thread_context().copy()
        serving = self._sync or self.sync_serving()
        return context.run(serving.serve, source, body, context, self._on_this_pool(waits))

    def finish_sync(self, response: Any) -> None:
        """After the last byte was handed over, on the thread that made the response."""
        response.turnout_context.run(self.sync_serving().finish, response)

    def answer(self, response: Any) -> tuple[int, str, list[tuple[str, str]], bytes | None]:
        """Status, reason, header lines and body; no body: a stream, see `chunks`."""
        body = None if response.streaming else response.content
        return response.status_code, response.reason_phrase, answers.headers_of(response), body

    def begin_stream(self, response: Any) -> Guest:
        """A streaming response from `serve_sync`, on the same thread; its `finish` stands in for `finish_sync`."""
        return Guest(response, self)

    def stream_async(self, response: Any, exchange: answers.Exchange) -> Coroutine[Any, Any, None]:
        """A streaming response of a sync view, with an async iterator, goes on as a task in the request's context."""
        return (self._async_streams or self._make_async_streams()).serve(response, exchange)

    def enter_thread(self) -> None:
        """A request comes from another thread of the sync pool: this one may not have had any."""
        self._thread_context()

    @staticmethod
    def resident(request: RequestThread) -> Resident:
        """For requests that keep a thread to their end."""
        return Resident(prepare_thread if request.prepares else None, settle_thread)

    def end_thread(self) -> None:
        """For a sync-pool thread that ends: close its database connections."""
        end_thread()

    # --- the async track ---

    def serve_async(
        self, source: dict[str, Any], body: BinaryIO, exchange: answers.Exchange
    ) -> Coroutine[Any, Any, None]:
        """A whole request on the loop; answers through `exchange`. Cancelled when the peer leaves."""
        return (self._async or self.async_serving()).serve(source, body, exchange)

    # --- which track ---

    def routes(self) -> list[tuple[str | None, int]]:
        """The URLconf, flat, in match order: (regex for Rust, or None where only Python can tell; track)."""
        return self.decisions.routes()

    def routes_are_in(self, table: Any) -> None:
        """What Rust made of `routes`."""
        self.decisions.routes_are_in(table)

    def decide(self, path: str, host: str | None) -> tuple[int, bool, str]:
        """The track for what `routes` left open, whether the answer may be remembered, and the route. On the loop."""
        return self.decisions.decide(path, host)

    # --- stepping aside ---

    async def asgi_app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The project as a plain ASGI application, through whatever somebody put around Django's handler."""
        await self.step_aside.asgi(scope, receive, send)

    def wsgi_app(self, environ: dict[str, Any], start_response: Any, waits: Waits | None = None) -> Any:
        """The project as a plain WSGI application, for a sync-pool thread. `waits` as for `serve_sync`."""
        context = self._thread_context().copy()
        return self.step_aside.wsgi(environ, start_response, context, self._on_this_pool(waits))

    # Rust calls a WSGI application that has this with such an object more.
    wsgi_app.turnout_waits = Waits  # type: ignore[attr-defined]

    def describe(self) -> dict[str, Any]:
        """Facts for the banner."""
        return describe(self)

    def beside_requests(self) -> AbstractContextManager[None]:
        """For what of the project's runs on the loop outside of requests: a thread for its blocking parts."""
        return own_thread(self.hops)

    def close(self) -> None:
        """The worker ends: idle hop threads end now, busy ones with their request."""
        self.hops.close()

    # --- parts, made when first needed ---

    def sync_serving(self) -> SyncServing:
        """The sync chain; the project's middleware is instantiated for it on first use."""
        with self._lock:
            if self._sync is None:
                self._sync = SyncServing(self.track(SyncTrack, is_async=False), self.request_kind)
                self._sync.timing = self.timing
            return self._sync

    def async_serving(self) -> AsyncServing:
        """The async chain; the project's middleware is instantiated for it on first use."""
        with self._lock:
            if self._async is None:
                self._async = AsyncServing(self.track(AsyncTrack, is_async=True), self.request_kind, self.hops)
                self._async.timing = self.timing
            return self._async

    def _make_async_streams(self) -> AsyncStreams:
        self._async_streams = AsyncStreams(self.request_kind, self.hops)
        return self._async_streams

    @property
    def chains(self) -> list[str]:
        """The chains made so far."""
        return [name for name, part in (("sync", self._sync), ("async", self._async)) if part is not None]

    def track(self, mixin: type, *, is_async: bool) -> Any:
        """A handler of the project's class with one of our chains, keeping what the project set on the instance."""
        kind = type(self.application)
        made = type(kind.__name__, (mixin, kind), {"__module__": kind.__module__, "__qualname__": kind.__qualname__})
        handler = made.__new__(made)
        handler.__dict__.update(self.application.__dict__)
        handler.turnout_kind = self.request_kind
        handler.turnout_sender = kind
        handler.turnout_nowhere = self._nowhere
        handler.turnout_verify = self.decisions.verify
        handler.turnout_seen = self.decisions.seen
        reroutes = bool(self.decisions.rerouting())
        handler.turnout_sees_all = reroutes
        handler.turnout_may_run_foreign_code = reroutes or routes.runs_foreign_code(self.decisions.resolver)
        handler.load_middleware(is_async=is_async)
        return handler

    def _on_this_pool(self, waits: Waits | None) -> Waits:
        if waits is None:
            return Waits(self._native_pool)
        waits.pool = self._native_pool
        return waits

    def _thread_context(self) -> contextvars.Context:
        """What every request of this thread starts from; its caches stay, as under WSGI."""
        try:
            return self._local.base
        except AttributeError:
            pass
        base = contextvars.Context()
        base.run(self._enter_thread)
        self._local.base = base
        return base

    def _enter_thread(self) -> None:
        for variable, value in self.inherited.items():
            variable.set(value)
        # async_to_sync in a view then runs on the real loop instead of making a thread and a loop a call.
        if self.loop is not None:
            SyncToAsync.threadlocal.main_event_loop = self.loop
            SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
        seed_context(shared=False)

    def _warm_up(self) -> None:
        if not self.compat:
            declared.check()
        resolver = get_resolver(self.decisions.urlconf)
        _ = resolver.url_patterns
        # A URLconf that includes itself without a namespace: Django cannot `reverse` in it, and serves it.
        with suppress(KeyError):
            resolver._populate()
        hooks.warm_up()
        # Tasks on the loop inherit these, so that no request has to set them.
        seed_context(shared=True)
        if not self.compat:
            known.install()
        # A middleware that cannot be made is a fault of the start, not of the first request.
        if self.native:
            sync, asynchronous = self.decisions.views()
            if asynchronous or self.decisions.async_only_middleware():
                self.async_serving()
            if sync:
                self.sync_serving()
        else:
            self.step_aside.load()


def seed_context(*, shared: bool) -> None:
    """What most requests set to the same values anyway, and the caches of this thread."""
    set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    set_urlconf(settings.ROOT_URLCONF)
    seeded_urlconf.set(settings.ROOT_URLCONF)
    for alias, config in settings.CACHES.items():
        if shared and not may_share_cache(config):
            continue
        try:
            made = caches[alias]
            if shared and type(made) is RedisCache:
                # Its pool is made at the first use: threads that come to it at once would make one each.
                made._cache.get_client(write=True)
        except Exception:
            # A broken cache is the affair of the request that uses it.
            log.debug("cache %r cannot be made at the start", alias, exc_info=True)
