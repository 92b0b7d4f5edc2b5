"""Streaming responses of the sync track, after their view has returned.

The thread that ran the view is held only while Python runs on it. An async iterator goes on as a task of the loop
(`AsyncStreams`). A sync one is pulled on the thread; when the client is too slow, the request leaves and comes back on
whichever thread is free (`Guest`), with its luggage (travelling.py).
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from asgiref import sync
from asgiref.sync import SyncToAsync

from turnout.django import answers, lifecycle
from turnout.django.hops import RequestContext, RequestThread, ThreadSource
from turnout.django.serving import Ending
from turnout.django.travelling import Luggage, forget_caches, leave_caches

if TYPE_CHECKING:
    from turnout.django.handler import DjangoHandler

_END = object()


class Guest:
    """One such response: what Rust asks of it, each on the thread where it is now. Iterating it pulls its chunks."""

    def __init__(self, response: Any, handler: DjangoHandler) -> None:
        self.response = response
        self.is_async: bool = bool(getattr(response, "is_async", False))
        self.file = answers.file_of(response)
        self._handler = handler
        self._run = response.turnout_context.run
        self._chunks: Any = None
        self._luggage = Luggage()

    def __iter__(self) -> Iterator[bytes]:
        """Its chunks; asked for again, those that are left."""
        if self._chunks is None:
            self._chunks = self._run(iter, self.response.streaming_content)
        return self

    def __next__(self) -> bytes:
        """The next chunk, never an empty one."""
        while (chunk := self._run(next, self._chunks, _END)) is not _END:
            if chunk:
                return chunk
        raise StopIteration

    def finishes_unseen(self) -> bool:
        """Whether nobody can tell when the response is closed: only Django's receivers, nothing but a file to close."""
        response = self.response
        closers = {response.turnout_request.close, self.file.close} if response.turnout_request is not None else ()
        own = all(closer in closers for closer in response._resource_closers)
        return own and type(self.file).__module__ in ("io", "_io") and lifecycle.can_finish_directly(response)

    def leave(self) -> bool:
        """Take along what is the request's, so that the thread is free. False: it must stay."""
        return self._run(self._luggage.leave)

    def arrive(self) -> None:
        """Go on, on this thread."""
        self._handler.enter_thread()
        SyncToAsync.threadlocal.task_context = self.response.turnout_waits
        self._luggage.arrive()
        self._run(rehome)

    def leave_for_loop(self) -> None:
        """The response goes on as a task, which has threads of its own: nothing of it stays, or comes along."""
        self._run(lifecycle.settle_thread)
        self._run(leave_caches)

    def finish(self) -> None:
        """Close the response; the last that is asked."""
        try:
            self._handler.finish_sync(self.response)
        finally:
            self._luggage.put_back()


def rehome() -> None:
    """In the Context of a request that came from another thread: its Locals hold here, that thread's caches do not."""
    sync._restore_context(contextvars.copy_context())
    forget_caches()


class AsyncStreams(Ending):
    """Async iterators of sync views' responses, as tasks on the loop, each in its request's context."""

    def __init__(self, kind: str, hops: ThreadSource) -> None:
        self._asgi = kind == "asgi"
        self._hops = hops

    async def serve(self, response: Any, exchange: answers.Exchange) -> None:
        """Send it all and close it. A cancellation is the peer's leaving."""
        rehome()
        thread = RequestThread(self._hops)
        context = RequestContext()
        SyncToAsync.context_to_thread_executor[context] = thread
        SyncToAsync.thread_sensitive_context.set(context)
        request, body = response.turnout_request, response.turnout_body
        started = False
        try:
            if exchange.disconnected:
                # Nobody is cancelled any more after this, so that what follows runs to its end.
                exchange.abort()
                await answers.close_unread(response)
            else:
                exchange.start(response.status_code, answers.headers_of(response), response._reason_phrase)
                started = True
                await answers.stream(response, exchange)
        except BaseException as error:
            await self.break_off(error, exchange, started, request, response, body, thread)
        else:
            if not self.ends_here(request, response, body, thread):
                await self.finish(request, response, body, thread)
        finally:
            exchange.finish()
