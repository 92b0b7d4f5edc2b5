"""ASGIHandler over a receive/send pair, with our chains inside: what is called when its methods were replaced.

`__call__`, `create_request`, `run_get_response` and `get_response_async` stay Django's (or whoever's put themselves
there); `handle` runs the request in the caller's own task, with one small task that listens for the peer's leaving.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import get_script_prefix
from django.urls import set_script_prefix

from turnout.django import answers, lifecycle, telemetry
from turnout.django.asynctrack import AsyncTrack
from turnout.django.pulling import request_thread, send_pulled
from turnout.django.travelling import close_on_thread
from turnout.incoming import current_scope

# Whether the request of this Context takes the sync track: it cannot be told through the functions between.
sync_track: contextvars.ContextVar[bool] = contextvars.ContextVar("turnout_sync_track", default=False)


class ThroughASGI(AsyncTrack):
    """Mixed into the project's ASGIHandler class."""

    # Gives the handler with the sync chain; set by whoever made this one.
    turnout_sync: Callable[[], Any]
    # Set as well: adds `Server-Timing`, where that is wanted (timing.py).
    turnout_timing: Callable[[Any, Any], None] | None = None

    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request: body, signals, request object, answer, close."""
        try:
            body = await self.read_body(receive)  # type: ignore[attr-defined]
        except RequestAborted:
            return
        with contextlib.closing(body):
            set_script_prefix(get_script_prefix(scope))
            thread = request_thread()
            if thread is not None and not thread.prepares:
                thread = None
            # As on the native path: what only Django's own receivers would do waits for the first use of the thread.
            if thread is None or not lifecycle.started.only_own():
                await signals.request_started.asend(sender=self._sender, scope=scope)
            request, error = self.create_request(scope, body)  # type: ignore[attr-defined]
            if request is None:
                await self.send_response(error, send)
                await sync_to_async(error.close)()
                return
            request.turnout = current_scope.get()
            if (own := request_thread()) is not None:
                own.request = request
            answer = _Answer(self, request, send)
            try:
                await answer.made_while_connected(self.listen_for_disconnect(receive))  # type: ignore[attr-defined]
            finally:
                unused = thread is not None and not thread.used
                if answer.response is None:
                    if not (unused and lifecycle.finished.only_own()):
                        await signals.request_finished.asend(sender=self._sender)
                elif unused and lifecycle.can_close_inline(answer.response, request, body):
                    lifecycle.close_inline(answer.response)
                else:
                    await sync_to_async(close_on_thread)(answer.response)

    async def run_get_response(self, request: Any) -> Any:
        """Through the chain of the request's track."""
        if sync_track.get():
            response = await sync_to_async(self.turnout_sync().get_response)(request)
            answers.widen_file_chunks(response)
        else:
            response = await super().run_get_response(request)  # type: ignore[misc]
        telemetry.tell()
        if self.turnout_timing is not None:
            self.turnout_timing(request, response)
        response._handler_class = self._sender
        return response

    async def send_response(self, response: Any, send: Any) -> None:
        """Django's, but a sync iterator is pulled chunk by chunk instead of being collected first."""
        if not response.streaming or response.is_async:
            await super().send_response(response, send)  # type: ignore[misc]
            return
        headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in answers.headers_of(response)]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})

        def write(chunk: bytes) -> Any:
            return send({"type": "http.response.body", "body": chunk, "more_body": True})

        await send_pulled(response, write)
        await send({"type": "http.response.body"})

    @property
    def _sender(self) -> type:
        return getattr(self, "turnout_sender", None) or type(self)


class _Answer:
    """One response being made and sent, in the caller's task, until the peer leaves."""

    def __init__(self, handler: ThroughASGI, request: Any, send: Any) -> None:
        self.response: Any = None
        self._handler = handler
        self._request = request
        self._send = send
        self._task = asyncio.current_task()
        self._over = False
        self._left = False

    async def made_while_connected(self, listening: Any) -> None:
        """Make and send it. The peer's leaving cancels what runs, which may still clean up; other errors come out."""
        listener = asyncio.ensure_future(listening)
        listener.add_done_callback(self._heard)
        try:
            self.response = await self._handler.run_get_response(self._request)
            await self._handler.send_response(self.response, self._send)
        except asyncio.CancelledError:
            if not self._left:
                raise
            self._uncancel()
        finally:
            self._over = True
            if not listener.done():
                listener.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listener
        if listener.done() and not listener.cancelled():
            error = listener.exception()
            if error is not None and not isinstance(error, RequestAborted):
                raise error

    def _heard(self, listener: asyncio.Future[None]) -> None:
        if not self._over and not listener.cancelled() and self._task is not None:
            self._left = True
            self._task.cancel()

    def _uncancel(self) -> None:
        # Python 3.11 counts cancellations, and timeouts in receivers of request_finished look at the count.
        uncancel = getattr(self._task, "uncancel", None)
        if uncancel is not None:
            uncancel()
