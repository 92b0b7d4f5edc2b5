"""The async chain: Django's own load_middleware, with layers that know which hooks may run on the loop.

`AsyncTrack` is mixed into the project's handler class. It changes how links of the chain are adapted
(`adapt_method_mode`) and how the innermost step runs (`_get_response_async`); everything else is Django's, so whatever
patches `load_middleware`, `make_view_atomic`, `resolve_request` or `response_for_exception` still sees each request.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import wraps
from itertools import takewhile
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers import base
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse, JsonResponse
from django.urls import Resolver404, get_resolver, set_urlconf
from django.utils.deprecation import MiddlewareMixin
from django.utils.log import log_response, request_logger

from turnout.django import declared, hooks, remoteuser, rendering, routes, synconly, telemetry
from turnout.django.keeping import waiting_below
from turnout.django.layers import Hook, Layer, OnThread, chain_of, run_of, single_layer, sync_run_of, to_response
from turnout.django.logs import would_log
from turnout.django.search import Search
from turnout.django.shortcuts import RememberedMatches, is_async_view

# Responses of exactly these types are never rendered late, so nobody has to ask.
_PLAIN = frozenset((HttpResponse, JsonResponse))


# The URLconf that a request's Context already has set, so that it need not be set again.
seeded_urlconf: contextvars.ContextVar[str | None] = contextvars.ContextVar("turnout_seeded_urlconf", default=None)


async def _probe(request: Any) -> Any:
    return None


_CONVERTER = convert_exception_to_response(_probe).__code__
SYNC_CONVERTER = convert_exception_to_response(lambda request: None).__code__
_MIXIN_CALL = MiddlewareMixin.__call__
_MIXIN_ACALL = MiddlewareMixin.__acall__


class AsyncTrack(RememberedMatches):
    """Mixed into the project's handler class; `load_middleware(is_async=True)` builds the chain."""

    _middleware_chain: Any
    _exception_middleware: list[Any]
    _view_middleware: list[Any]
    _template_response_middleware: list[Any]
    # The deployment's kind of request, whichever class this is mixed into.
    turnout_kind = "asgi"
    # Set by the handler: how many pages for paths that lead nowhere may be made at a time.
    turnout_nowhere: AbstractAsyncContextManager[Any] = nullcontext()
    # Set by the handler: called with (request, is_async) when the view's kind is known.
    turnout_verify: Callable[[Any, bool], None] | None = None

    def load_middleware(self, is_async: bool = False) -> None:
        """Django's, which is given middleware that was read as one that may be async."""
        if not is_async:
            super().load_middleware(is_async=False)  # type: ignore[misc]
            return
        with synconly.taken_apart():
            super().load_middleware(is_async=True)  # type: ignore[misc]

    def adapt_method_mode(
        self,
        is_async: bool,
        method: Any,
        method_is_async: bool | None = None,
        debug: bool = False,
        name: str | None = None,
    ) -> Any:
        """Django calls this for each link (with `method_is_async`) and each hook (without)."""
        if method_is_async is None:
            if is_async and not base.iscoroutinefunction(method):
                return _view_hook(method)
        elif method_is_async and getattr(method, "__code__", None) is _CONVERTER:
            method = _link(method.__wrapped__, self.turnout_kind)
        elif getattr(method, "__code__", None) is SYNC_CONVERTER:
            telemetry.told_inside(hooks.seen_through(method.__wrapped__))
        adapted = super().adapt_method_mode(is_async, method, method_is_async, debug, name)  # type: ignore[misc]
        if method_is_async and not is_async:
            return waiting_below(adapted, name or "a middleware")
        return adapted

    async def turnout_respond(self, request: Any) -> Any:
        """BaseHandler.get_response_async, with the log line on the request's thread, and only where it is read."""
        if seeded_urlconf.get() != settings.ROOT_URLCONF:
            set_urlconf(settings.ROOT_URLCONF)
        response = await self._middleware_chain(request)
        response._resource_closers.append(request.close)
        if response.status_code >= 400 and not getattr(response, "_has_been_logged", False):
            level = logging.ERROR if response.status_code >= 500 else logging.WARNING
            if would_log(request_logger, level):
                await sync_to_async(log_response)(
                    "%s: %s", response.reason_phrase, request.path, response=response, request=request
                )
            else:
                response._has_been_logged = True
        return response

    async def _get_response_async(self, request: Any) -> Any:
        """Django's innermost step: resolve, view hooks, view, render."""
        response = None
        try:
            if self._resolving_runs_foreign_code(request):
                callback, args, kwargs = await sync_to_async(self.resolve_request)(request)
            else:
                callback, args, kwargs = self.resolve_request(request)
        except Resolver404 as error:
            # What the layer around this would do, for so many at a time.
            async with self.turnout_nowhere:
                return await to_response(request, error)
        hooks, position = self._view_middleware, 0
        while not response and position < len(hooks):
            hook = hooks[position]
            position += 1
            if type(hook) is not Hook:
                response = await hook(request, callback, args, kwargs)
            elif hook.inline_now(request, callback):
                response = hook.inline(request, callback, args, kwargs)
                if type(response) is OnThread:
                    response = await response.answer()
            else:
                # What follows, up to a native one, goes along in the same hop.
                together = [hook, *takewhile(lambda other: type(other) is Hook, hooks[position:])]
                position += len(together) - 1
                response = await sync_to_async(_view_hooks)(together, request, callback, args, kwargs)

        if response is None:
            view = self.make_view_atomic(callback)  # type: ignore[attr-defined]
            try:
                if is_async_view(view):
                    response = await view(request, *args, **kwargs)
                else:
                    if self.turnout_verify is not None:
                        self.turnout_verify(request, False)
                    response = await sync_to_async(view)(request, *args, **kwargs)
            except Exception as error:
                response = await self._exception_hooks(error, request)
                if response is None:
                    raise

        if type(response) in _PLAIN:
            return response
        self.check_response(response, callback)  # type: ignore[attr-defined]
        if hasattr(response, "render") and callable(response.render):
            response = await self._render(request, response)
        if asyncio.iscoroutine(response):
            raise RuntimeError("Response is still a coroutine.")
        return response

    # Set by the handler: whether the project's URLconf has anything of its own, or may not be the only one.
    turnout_may_run_foreign_code = True
    # The resolver asked last, and whether anything of the project's own takes part in resolving.
    _foreign: tuple[Any, bool] = (None, False)

    def _resolving_runs_foreign_code(self, request: Any) -> bool:
        """Whether a converter of the project's own has a say: it may ask a database, as it may under WSGI."""
        if not (self.turnout_may_run_foreign_code or hasattr(request, "urlconf")):
            return False
        resolver = get_resolver(getattr(request, "urlconf", None))
        of, foreign = self._foreign
        if resolver is not of:
            foreign = routes.runs_foreign_code(resolver)
            self._foreign = (resolver, foreign)
        return foreign and _search_is_foreign(resolver, request.path_info)

    async def _render(self, request: Any, response: Any) -> Any:
        for hook in self._template_response_middleware:
            response = await hook(request, response)
            name = f"{hook.__self__.__class__.__name__}.process_template_response"
            self.check_response(response, hook, name=name)  # type: ignore[attr-defined]
        try:
            if base.iscoroutinefunction(response.render):
                return await response.render()
            return await rendering.render(response)
        except Exception as error:
            answer = await self._exception_hooks(error, request)
            if answer is None:
                raise
            return answer

    async def _exception_hooks(self, error: Exception, request: Any) -> Any:
        if not self._exception_middleware:
            return None
        return await sync_to_async(self.process_exception_by_middleware)(error, request)  # type: ignore[attr-defined]


def _search_is_foreign(resolver: Any, path: str) -> bool:
    try:
        return Search(resolver, path).foreign
    except Exception:
        # As on the way to a track: a class of patterns that may not do on the loop what it does.
        return True


def _view_hooks(hooks: list[Hook], *asked: Any) -> Any:
    """On a thread: view hooks until one answers."""
    response = None
    for hook in hooks:
        response = hook.method(*asked)
        if response:
            break
    return response


def _view_hook(method: Any) -> Hook:
    vetted = hooks.view_hook(method) or declared.view_hook(method)
    return Hook(method) if vetted is None else Hook(method, vetted.when, vetted.inline)


def _keeping(link: Callable[..., Any]) -> Callable[..., Any]:
    """A link keeps its middleware, as Django's does: one whose hooks are not called may still be told of signals."""

    @wraps(link)
    def keeping(middleware: Any, *more: Any) -> Any:
        run = link(middleware, *more)
        if run is not None:
            run.turnout_middleware = middleware
        return run

    return keeping


@_keeping
def _link(middleware: Any, request_kind: str) -> Callable[[Any], Awaitable[Any]]:
    """One async layer of the chain, with what Django's converter of exceptions does, on the request's thread (F6)."""
    kind = type(middleware)
    apart = hooks.apart(middleware)
    if apart is not None or isinstance(middleware, MiddlewareMixin):
        if apart or (kind.__call__ is _MIXIN_CALL and kind.__acall__ is _MIXIN_ACALL and _hooks_are_sync(middleware)):
            layer = _layer(middleware, apart)
            inner = chain_of(middleware.get_response)
            if inner is None:
                return run_of([layer], middleware.get_response)
            return run_of([layer, *inner.layers], inner.endpoint)
    else:
        wrapped = hooks.seen_through(middleware)
        apart = hooks.apart(wrapped)
        if apart or (
            isinstance(wrapped, MiddlewareMixin)
            and type(wrapped).__acall__ is _MIXIN_ACALL
            and _hooks_are_sync(wrapped)
        ):
            # The wrapper stays where it is and times the layer; what it calls is ours.
            wrapped.__acall__ = single_layer(_layer(wrapped, apart), wrapped)  # type: ignore[method-assign]
        else:
            telemetry.told_inside(wrapped)
        remoteuser.in_async_chain(wrapped, request_kind)
    return run_of([], middleware)


def _hooks_are_sync(middleware: Any) -> bool:
    return not any(
        base.iscoroutinefunction(getattr(middleware, name, None)) for name in ("process_request", "process_response")
    )


@_keeping
def sync_link(middleware: Any) -> Callable[[Any], Any] | None:
    """One layer of the sync chain, if it is a plain MiddlewareMixin: it and those below in one call."""
    if not isinstance(middleware, MiddlewareMixin) or type(middleware).__call__ is not _MIXIN_CALL:
        return None
    layer = Layer(
        getattr(middleware, "process_request", None), getattr(middleware, "process_response", None), True, True
    )
    inner = chain_of(middleware.get_response)
    if inner is not None:
        return sync_run_of([layer, *inner.layers], inner.endpoint)
    below = middleware.get_response
    if getattr(below, "__code__", None) is SYNC_CONVERTER:
        # The converter of the layer below is what a run does with its endpoint's exceptions itself.
        below = below.__wrapped__
    return sync_run_of([layer], below)


def _layer(middleware: Any, apart: hooks.Hooks | None) -> Layer:
    layer = _judged(middleware, apart)
    if layer.process_response is not None and telemetry.ends_a_span(middleware):
        return layer._replace(process_response=telemetry.before_it_ends(layer.process_response))
    return layer


def _judged(middleware: Any, apart: hooks.Hooks | None) -> Layer:
    vetted = hooks.vetted(middleware)
    if apart is None:
        if vetted is None and (layer := declared.layer(middleware)) is not None:
            return layer
        apart = hooks.Hooks(getattr(middleware, "process_request", None), getattr(middleware, "process_response", None))
    return Layer(*apart, *((vetted.request, vetted.response) if vetted else (False, False)))
