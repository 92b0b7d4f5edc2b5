"""Where request threads come from: turnout's own elastic pool, or an executor of somebody else's.

Sizes and waits are decided here; what happens on a thread is in hops.py.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any

from asgiref.current_thread_executor import CurrentThreadExecutor

from turnout.django.hops import NoThreadInTime, PooledThread, RequestThread, ThreadSource, stop

# How often the pool looks again while requests wait at its cap: a thread that blocks in `async_to_sync` says nothing.
TICK_SECONDS = 0.05

_BLOCKED_IN = CurrentThreadExecutor.run_until_future.__code__
# How many frames (Condition.wait and what wraps a lock) stand above `run_until_future` while it waits, at most.
_BLOCKED_DEPTH = 4


class BorrowedThreads(ThreadSource):
    """Threads of another executor, each for the length of one request (the sync pool, on the step-aside path)."""

    def __init__(self, executor: Executor, prepare: Callable[[], None], settle: Callable[[], None]) -> None:
        super().__init__(prepare, settle, _nothing)
        self._executor = executor

    def take(self, request: RequestThread) -> None:
        """Queue the request's work; it starts when the executor has a thread."""
        thread = PooledThread(self)
        request.started_on(thread)

        def refused(future: Future[None]) -> None:
            error = future.exception()
            if error is None:
                return
            if request.patient and isinstance(error, TimeoutError):
                self._executor.submit(thread.live).add_done_callback(refused)
            else:
                request._backlog = [work for work in _drain(thread.queue) if isinstance(work, tuple)]
                request.fail(NoThreadInTime(str(error)))

        self._executor.submit(thread.live).add_done_callback(refused)

    def next_owner(self, thread: PooledThread) -> bool:
        """Never: the thread goes back to its executor."""
        with self.lock:
            if thread.owner is not None:
                thread.owner.left()
        return False


class HopPool(ThreadSource):
    """Elastic pool: up to `cap` threads that work, idle ones end after `idle_seconds`.

    At the cap a request waits before its first hop, at most `wait_seconds`; a running request never waits behind it,
    since it has its thread. Threads blocked in `async_to_sync` do not count: what they wait for may need a thread.
    """

    def __init__(
        self,
        prepare: Callable[[], None],
        settle: Callable[[], None],
        at_end: Callable[[], None],
        *,
        cap: int = 64,
        idle_seconds: float = 60.0,
        wait_seconds: float = 30.0,
    ) -> None:
        super().__init__(prepare, settle, at_end)
        self.cap = cap
        self.idle_seconds = idle_seconds
        self.wait_seconds = wait_seconds
        self._idle: list[PooledThread] = []
        # Threads with one brief call to go and nobody behind it, in the order they will be free.
        self._ending: deque[PooledThread] = deque()
        self._idents: dict[PooledThread, int] = {}
        self._count = 0
        self._names = itertools.count(1)
        self._waiting: deque[tuple[float, RequestThread]] = deque()
        self._ticking = False
        self._closed = False

    @property
    def threads(self) -> int:
        """Threads alive now."""
        return self._count

    @property
    def busy(self) -> int:
        """Threads that belong to a request now."""
        return self._count - len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread now."""
        return len(self._waiting)

    def take(self, request: RequestThread) -> None:
        """Assign an idle thread or one that is about to be, start one, or queue the request; the lock is held."""
        if self._waiting or not self._assign(request):
            wait_seconds = math.inf if request.patient else self.wait_seconds
            self._waiting.append((time.monotonic() + wait_seconds, request))
            self._tick_soon()

    def forget(self, request: RequestThread) -> None:
        """Drop `request` from the queue; the lock is held."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not request)

    def soon_free(self, thread: PooledThread) -> None:
        """Let the next request queue up on `thread`; the lock is held."""
        if thread.owner is not None:
            thread.owner.left()
        if self._waiting and not self._closed:
            thread.taken += 1
            self._waiting.popleft()[1].started_on(thread)
        else:
            self._ending.append(thread)

    def next_owner(self, thread: PooledThread) -> bool:
        """Hand the thread to the request that waited longest, or keep it idle."""
        with self.lock:
            if thread.taken:
                thread.taken -= 1
                return True
            if thread in self._ending:
                self._ending.remove(thread)
            if self._closed:
                self._gone(thread)
                return False
            if thread.owner is not None:
                thread.owner.left()
            if self._waiting:
                self._waiting.popleft()[1].started_on(thread)
            else:
                thread.idle_since = time.monotonic()
                self._idle.append(thread)
        return True

    def may_end(self, thread: PooledThread) -> bool:
        """End a thread that was idle for long enough, unless a request took it in this very moment."""
        with self.lock:
            if thread not in self._idle or time.monotonic() - thread.idle_since < self.idle_seconds / 2:
                return False
            self._idle.remove(thread)
            self._gone(thread)
        return True

    def close(self) -> None:
        """End idle threads now and busy ones when their request ends. Joins nothing."""
        with self.lock:
            self._closed = True
            for thread in self._idle:
                self._gone(thread)
                thread.queue.put(stop)
            self._idle.clear()

    def _assign(self, request: RequestThread) -> bool:
        if self._idle:
            request.started_on(self._idle.pop())
            return True
        if self._ending:
            thread = self._ending.popleft()
            thread.taken += 1
            request.started_on(thread)
            return True
        if self._count >= self.cap and self._count - self._blocked() >= self.cap:
            return False
        thread = PooledThread(self)
        self._count += 1
        request.started_on(thread)
        worker = threading.Thread(target=thread.live, name=f"turnout-hop-{next(self._names)}", daemon=True)
        try:
            worker.start()
        except RuntimeError:
            # The system gives no more threads: as at the cap, but never with nobody to wait for.
            self._count -= 1
            request._backlog = [work for work in _drain(thread.queue) if isinstance(work, tuple)]
            request.left()
            return False
        self._idents[thread] = worker.ident or 0
        return True

    def _gone(self, thread: PooledThread) -> None:
        self._count -= 1
        self._idents.pop(thread, None)

    def _blocked(self) -> int:
        """Threads that wait in `async_to_sync` now, read from their frames: asked only at the cap."""
        frames = sys._current_frames()
        return sum(_waits_for_the_loop(frames.get(ident)) for ident in self._idents.values())

    def _tick_soon(self) -> None:
        if not self._ticking:
            self._ticking = True
            loop = asyncio.get_running_loop()
            loop.call_later(TICK_SECONDS, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give threads that came free by blocking, and answer requests that waited too long."""
        with self.lock:
            now = time.monotonic()
            while self._waiting and self._assign(self._waiting[0][1]):
                self._waiting.popleft()
            late = [request for until, request in self._waiting if until <= now]
            if late:
                self._waiting = deque(entry for entry in self._waiting if entry[0] > now)
            if self._waiting:
                loop.call_later(TICK_SECONDS, self._tick, loop)
            else:
                self._ticking = False
        for request in late:
            request.fail(NoThreadInTime(f"no exclusive thread came free within {self.wait_seconds:g} s"))


def _waits_for_the_loop(frame: Any) -> bool:
    for _ in range(_BLOCKED_DEPTH):
        if frame is None:
            return False
        if frame.f_code is _BLOCKED_IN:
            return True
        frame = frame.f_back
    return False


def _nothing() -> None:
    pass


def _drain(queue: SimpleQueue[Any]) -> list[Any]:
    items = []
    while True:
        try:
            items.append(queue.get_nowait())
        except Empty:
            return items
