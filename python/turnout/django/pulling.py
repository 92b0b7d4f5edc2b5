"""A sync iterator's chunks, sent by the loop: each pulled on the request's thread, one at a time.

On hop threads that is all: a thread is the request's only while it pulls. A thread of the sync pool (on the step-aside
path) is its own to the end, so while the client is too slow the request steps aside (docs/decisions/0014). The async
counterpart of `Guest` in streaming.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from operator import length_hint
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.http import StreamingHttpResponse

from turnout.django.hops import RequestThread
from turnout.django.travelling import Luggage, forget_caches

log = logging.getLogger("turnout.django")

# A client that makes room within this time leaves the thread to its request: going on elsewhere costs two hand-overs.
PATIENCE_SECONDS = 0.005

_END = object()
_TUPLE_ITERATOR = type(iter(()))


async def send_pulled(response: Any, write: Callable[[bytes], Awaitable[None]]) -> None:
    """All chunks, each made when the one before it was taken.

    Whoever closes the response afterwards does so by `close_on_thread`.
    """
    thread = request_thread()
    if thread is not None and not thread.resident:
        thread = None
    luggage = response.turnout_luggage = Luggage() if thread is not None else None
    if _is_empty(response):
        return
    chunks = response.streaming_content
    pull = sync_to_async(_pull, thread_sensitive=True)
    while (chunk := await pull(luggage, chunks)) is not _END:
        if not chunk:
            continue
        if thread is None:
            await write(chunk)
            continue
        leaving = _Leaving(thread, luggage)  # type: ignore[arg-type]
        try:
            await write(chunk)
        finally:
            leaving.timer.cancel()
        await leaving.over()


def _is_empty(response: Any) -> bool:
    """Whether its content is an empty tuple, as that of a file response without a file: nobody needs to be asked."""
    chunks = getattr(response, "_iterator", None)
    own = type(response).streaming_content is StreamingHttpResponse.streaming_content
    return own and type(chunks) is _TUPLE_ITERATOR and length_hint(chunks) == 0


def request_thread() -> RequestThread | None:
    """The thread of the request of this Context, where it is one of turnout's."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    thread = SyncToAsync.context_to_thread_executor.get(context) if context is not None else None
    return thread if isinstance(thread, RequestThread) else None


def _pull(luggage: Luggage | None, chunks: Any) -> Any:
    if luggage is not None and luggage.arrive():
        forget_caches()
    return next(chunks, _END)


class _Leaving:
    """Leaves the thread when the client did not make room in time."""

    def __init__(self, thread: RequestThread, luggage: Luggage) -> None:
        self._thread = thread
        self._luggage = luggage
        self._outcome: Future[Any] | None = None
        self.timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._leave)

    def _leave(self) -> None:
        self._outcome = self._thread.step_aside(contextvars.copy_context().run, self._luggage.leave)

    async def over(self) -> None:
        """There is room again: the thread is left, or kept, before the next chunk is asked for."""
        if self._outcome is None:
            return
        try:
            await asyncio.wrap_future(self._outcome)
        except Exception:
            log.exception("A stream could not leave its thread")
