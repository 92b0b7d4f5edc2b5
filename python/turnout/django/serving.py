"""One request through a chain: signals, request object, chain, answer, close; on a thread, or on the loop.

This is what Django's two handlers do in `__call__` and `handle`, without their tasks and thread hops. It is used only
while those are the functions Django shipped (shipped.py); otherwise stepaside.py goes through them.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import traceback
from collections.abc import Callable
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import get_script_prefix
from django.core.handlers.wsgi import get_script_name
from django.urls import set_script_prefix
from django.utils.log import log_response

from turnout.django import answers, hooks, lifecycle, remoteuser, telemetry
from turnout.django.asynctrack import SYNC_CONVERTER, is_async_view, sync_link
from turnout.django.hops import NoThreadInTime, RequestContext, RequestThread, ThreadSource
from turnout.django.leaving import Waits
from turnout.django.requests import RequestMaker
from turnout.django.shortcuts import RememberedMatches
from turnout.django.travelling import close_on_thread
from turnout.incoming import current_scope

log = logging.getLogger("turnout.django")

# When no exclusive thread came free: the client may try again soon.
_RETRY_AFTER = [("Retry-After", "5"), ("Content-Type", "text/plain")]

_executors = SyncToAsync.context_to_thread_executor
_thread_context = SyncToAsync.thread_sensitive_context


class SyncTrack(RememberedMatches):
    """Mixed into the project's handler class for the sync chain, which is Django's own."""

    turnout_kind = "wsgi"

    def adapt_method_mode(self, is_async: bool, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Django calls this for each link of the chain, with its mode, and for each hook, without."""
        if args and not args[0] and getattr(method, "__code__", None) is SYNC_CONVERTER:
            middleware = method.__wrapped__
            wrapped = hooks.seen_through(middleware)
            remoteuser.in_sync_chain(wrapped, self.turnout_kind)
            telemetry.told_inside(wrapped)
            method = sync_link(middleware) or method
        return super().adapt_method_mode(is_async, method, *args, **kwargs)  # type: ignore[misc]

    def resolve_request(self, request: Any) -> Any:
        """Django's, and the learning of tracks hears what kind of view it was."""
        match = super().resolve_request(request)
        verify = getattr(self, "turnout_verify", None)
        if verify is not None and is_async_view(match.func):
            verify(request, True)
        return match


class SyncServing:
    """Requests whole on a thread."""

    #: Adds `Server-Timing`, where that is wanted (timing.py).
    timing: Callable[[Any, Any], None] | None = None

    def __init__(self, handler: Any, kind: str) -> None:
        self.handler = handler
        self._asgi = kind == "asgi"
        self._make = RequestMaker(handler, kind)
        self._chain = handler._middleware_chain
        self._sender = handler.turnout_sender

    def serve(self, source: dict[str, Any], body: Any, context: contextvars.Context, waits: Waits) -> Any:
        """From the parsed request to a response ready to be sent. Runs inside `context`."""
        SyncToAsync.threadlocal.task_context = waits
        current_scope.set(waits.incoming)
        _enter_prefix(source, self._asgi)
        if lifecycle.started.only_own() and lifecycle.knows_receivers():
            lifecycle.begin_on_thread()
        elif self._asgi:
            signals.request_started.send(sender=self._sender, scope=source)
        else:
            signals.request_started.send(sender=self._sender, environ=source)
        request, response = self._make(source, body)
        if request is not None:
            request.turnout = waits.incoming
            response = self._respond(request, waits)
            if self.timing is not None:
                self.timing(request, response)
            response._handler_class = self._sender
            answers.widen_file_chunks(response)
        response.turnout_context = context
        response.turnout_waits = waits
        response.turnout_body = body
        if response.streaming:
            # Its thread may get other work before it ends (streaming.py).
            response.turnout_request = request
        return response

    def _respond(self, request: Any, waits: Waits) -> Any:
        """BaseHandler.get_response; the thread's base Context has the URLconf set already."""
        try:
            response = self._chain(request)
            response._resource_closers.append(request.close)
            if response.status_code >= 400:
                log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
            return response
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if waits.left and isinstance(error, asyncio.CancelledError):
                response = answers.last_resort()
                response._resource_closers.append(request.close)
                return response
            # SystemExit and DEBUG_PROPAGATE_EXCEPTIONS: one 500 and a log line, as a server gives.
            log.exception("Exception in the project: %s %s", request.method, request.path)
            response = answers.last_resort(traceback.format_exc() if settings.DEBUG else "")
            response._resource_closers.append(request.close)
            return response

    def finish(self, response: Any) -> None:
        """Close the response: request_finished, files, the request's body. Inside its context, on its thread."""
        response.turnout_waits.settle()
        try:
            if lifecycle.can_finish_directly(response):
                lifecycle.finish_directly(response)
            else:
                response.close()
                lifecycle.settle_thread()
        finally:
            if self._asgi:
                response.turnout_body.close()


class Ending:
    """How a request on the loop ends, well or not. The same for a whole one and for a stream that a sync view began."""

    _hops: ThreadSource
    _sender: Any = None

    def ends_here(self, request: Any, response: Any, body: Any, thread: RequestThread) -> bool:
        """End it at once if nothing needs a thread for that; else `finish` does."""
        if response is None or thread.occupied or not lifecycle.can_close_inline(response, request, body):
            return False
        lifecycle.close_inline(response)
        body.close()
        thread.release()
        return True

    async def finish(self, request: Any, response: Any, body: Any, thread: RequestThread) -> None:
        """request_finished, once, whichever way the request went; then the thread is free."""
        try:
            if response is not None:
                thread.end_with_next_call()
                await self._close(response)
            elif thread.occupied or not lifecycle.finished.only_own():
                # Behind a call that was abandoned: it may still read the request.
                await signals.request_finished.asend(sender=self._sender)
        except NoThreadInTime:
            log.warning("request_finished could not be sent: no thread came free")
        except Exception:
            log.exception("Exception at the end of a request")
        finally:
            if response is None and request is not None:
                request.close()
            body.close()
            thread.release()

    async def _close(self, response: Any) -> None:
        owed = [response]
        try:
            await sync_to_async(_close_if_owed)(owed)
        except asyncio.CancelledError:
            # The worker ends and waits no longer; what is owed is done all the same if it was not begun.
            last = RequestThread(self._hops, patient=True)
            last.submit(contextvars.copy_context().run, _close_if_owed, owed)
            last.release()
            raise

    async def break_off(
        self,
        error: BaseException,
        exchange: answers.Exchange,
        streaming: bool,
        request: Any,
        response: Any,
        body: Any,
        thread: RequestThread,
    ) -> None:
        """What `error` means for the answer, and the end of the request. Raises `error` again if asyncio wants it."""
        if isinstance(error, (GeneratorExit, KeyboardInterrupt)):
            # The loop ends: nothing can be awaited any more.
            thread.release()
            raise error
        left = exchange.disconnected
        if left or isinstance(error, asyncio.CancelledError):
            # The peer has left, or the worker ends. Told so, Rust does not cancel what follows.
            exchange.abort()
        if isinstance(error, NoThreadInTime):
            log.warning("%s: %s", error, request.path if request is not None else "a request")
            if streaming:
                exchange.abort()
            elif not left:
                exchange.respond(503, _RETRY_AFTER, b"No thread came free in time.")
            if response is not None:
                # Closing it is owed, so it waits in line once more, for as long as it takes.
                thread.release()
                thread = _executors[_thread_context.get()] = RequestThread(self._hops, patient=True)
        elif not isinstance(error, asyncio.CancelledError) and not (left and isinstance(error, ConnectionResetError)):
            _fail(error, request, exchange, streaming)
        if not self.ends_here(request, response, body, thread):
            await self.finish(request, response, body, thread)
        if isinstance(error, asyncio.CancelledError):
            raise error


def _fail(error: BaseException, request: Any, exchange: answers.Exchange, streaming: bool) -> None:
    """The project (or its response) failed where Django makes no response of it: one 500 or a cut connection."""
    what = f"{request.method} {request.path}" if request is not None else "a request"
    log.error("Exception in the project: %s", what, exc_info=error)
    if exchange.disconnected:
        return
    if streaming:
        exchange.abort()
        return
    text = "".join(traceback.format_exception(error)) if settings.DEBUG else "Internal Server Error"
    exchange.respond(500, [("Content-Type", "text/plain; charset=utf-8")], text.encode("utf-8", "replace"))


class AsyncServing(Ending):
    """Requests on the loop, with a thread for what may block."""

    #: Adds `Server-Timing`, where that is wanted (timing.py).
    timing: Callable[[Any, Any], None] | None = None

    def __init__(self, handler: Any, kind: str, hops: ThreadSource) -> None:
        self.handler = handler
        self._asgi = kind == "asgi"
        self._hops = hops
        self._make = RequestMaker(handler, kind)
        self._sender = handler.turnout_sender

    async def serve(self, source: dict[str, Any], body: Any, exchange: answers.Exchange) -> None:
        """The whole request. A cancellation is the peer's leaving: the view may handle it, the signals still fire."""
        defer = lifecycle.started.only_own()
        thread = RequestThread(self._hops, prepare=defer)
        context = RequestContext()
        _executors[context] = thread
        _thread_context.set(context)
        incoming = thread.accounted = exchange.incoming
        current_scope.set(incoming)
        _enter_prefix(source, self._asgi)
        request = response = None
        streaming = False
        try:
            if not defer:
                await self._signal_started(source)
            request, response = self._make(source, body)
            if request is not None:
                thread.request = request
                request.turnout = incoming
                response = await self.handler.turnout_respond(request)
                if self.timing is not None:
                    self.timing(request, response)
                response._handler_class = self._sender
                answers.widen_file_chunks(response)
            if not exchange.disconnected:
                if response.streaming:
                    sent = answers.send_file(response, exchange)
                    if sent is None:
                        exchange.start(response.status_code, answers.headers_of(response), response._reason_phrase)
                        streaming = True
                        await answers.stream(response, exchange)
                    else:
                        await sent
                else:
                    reason = response._reason_phrase
                    exchange.respond(response.status_code, answers.headers_of(response), response.content, reason)
        except BaseException as error:
            await self.break_off(error, exchange, streaming, request, response, body, thread)
        else:
            if not self.ends_here(request, response, body, thread):
                await self.finish(request, response, body, thread)
        finally:
            exchange.finish()

    async def _signal_started(self, source: dict[str, Any]) -> None:
        if self._asgi:
            await signals.request_started.asend(sender=self._sender, scope=source)
        else:
            await signals.request_started.asend(sender=self._sender, environ=source)


def _close_if_owed(owed: list[Any]) -> None:
    """Close the response, unless that was begun before."""
    try:
        response = owed.pop()
    except IndexError:
        return
    close_on_thread(response)


def _enter_prefix(source: dict[str, Any], asgi: bool) -> None:
    """Every request starts from a Context whose prefix is the project's usual one."""
    if asgi:
        if source.get("root_path") or settings.FORCE_SCRIPT_NAME:
            set_script_prefix(get_script_prefix(source))
        return
    prefix = get_script_name(source)
    if prefix and prefix != "/":
        set_script_prefix(prefix)
