"""Django's handlers inside an application of somebody else's: ASGI or WSGI middleware around them, a mount, a router.

What was given to the server says nothing about tracks then, but the handler inside sees the scope. So while such an
application is served, `ASGIHandler.__call__` decides the track of its request, as if it had been given to the server
itself; a WSGI application runs whole on its thread anyway, and only its async views must find the loop.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from typing import Any

from asgiref.sync import SyncToAsync
from django.core.handlers.asgi import ASGIHandler

from turnout._turnout import SyncPool
from turnout.django import deferral, shipped
from turnout.django.handler import DjangoHandler
from turnout.django.leaving import Waits
from turnout.django.throughasgi import ThroughASGI

# A project has one handler, or a few; who makes one for every request is served by Django itself.
MOST_HANDLERS = 16


class InnerHandlers:
    """The handlers found inside the application that one loop serves."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        self._loop = loop
        self._options = options
        # By identity, which each keeps alive; None: its class has a way of its own.
        self._served: dict[int, tuple[ASGIHandler, DjangoHandler | None]] = {}
        self._making = asyncio.Lock()
        _by_loop[loop] = self
        _install()
        for handler in deferral.made():
            # A middleware that cannot be made is a fault of the start, not of the first request.
            if isinstance(handler, ASGIHandler):
                self._serve(handler)

    async def served(self, application: ASGIHandler) -> DjangoHandler | None:
        """Who serves the requests that reach `application`; nobody: Django."""
        known = self._served.get(id(application))
        if known is not None:
            return known[1]
        async with self._making:
            if id(application) not in self._served and len(self._served) < MOST_HANDLERS:
                # Off the loop: it imports the URLconf and makes the middleware.
                await self._loop.run_in_executor(None, self._serve, application)
        known = self._served.get(id(application))
        return known[1] if known is not None else None

    def close(self) -> None:
        """The loop ends."""
        for _, handler in self._served.values():
            if handler is not None:
                handler.close()
        self._served.clear()
        del _by_loop[self._loop]
        _uninstall()

    def _serve(self, application: ASGIHandler) -> None:
        handler = None
        if not isinstance(application, ThroughASGI) and not shipped.overridden(type(application)):
            handler = DjangoHandler(application, loop=self._loop, inner=True, **self._options)
        self._served[id(application)] = (application, handler)


def wsgi_face(application: Callable[..., Any], loop: asyncio.AbstractEventLoop, pool: SyncPool) -> Callable[..., Any]:
    """`application` with its `async_to_sync` on the real loop, as in `DjangoHandler.wsgi_app`."""

    @functools.wraps(application, updated=())
    def face(environ: dict[str, Any], start_response: Any) -> Any:
        SyncToAsync.threadlocal.main_event_loop = loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
        SyncToAsync.threadlocal.task_context = Waits(pool)
        return application(environ, start_response)

    return face


_by_loop: dict[asyncio.AbstractEventLoop, InnerHandlers] = {}
_found: Any = None


async def _call(self: ASGIHandler, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """In place of ASGIHandler.__call__."""
    if scope["type"] == "http" and not isinstance(self, ThroughASGI):
        inner = _by_loop.get(asyncio.get_running_loop())
        handler = await inner.served(self) if inner is not None else None
        if handler is not None:
            await handler.step_aside.asgi(scope, receive, send)
            return
    await _found(self, scope, receive, send)


def _install() -> None:
    global _found
    if _found is None:
        _found = ASGIHandler.__call__
        shipped.stand_in(_call, _found)
        ASGIHandler.__call__ = _call


def _uninstall() -> None:
    global _found
    if not _by_loop and ASGIHandler.__call__ is _call:
        ASGIHandler.__call__ = _found
        _found = None
