"""Threads for the blocking parts of async requests: one thread a request, from a pool.

A request takes an exclusive thread at its first hop and keeps it to its end, as under Django's ThreadSensitiveContext,
but the threads are pooled: none is started or joined a request. User code finds the thread where asgiref looks for it
(`SyncToAsync.context_to_thread_executor`), so `sync_to_async` in a view runs there too. This file knows no Django;
what a thread must do at the start and the end of a request comes in as `prepare` and `settle`.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any

from asgiref.current_thread_executor import CurrentThreadExecutor

# How often the pool looks again while requests wait at its cap: a thread that blocks in `async_to_sync` says nothing.
TICK_SECONDS = 0.05

_BLOCKED_IN = CurrentThreadExecutor.run_until_future.__code__
# How many frames (Condition.wait and what wraps a lock) stand above `run_until_future` while it waits, at most.
_BLOCKED_DEPTH = 4


class NoThreadInTime(BaseException):
    """No exclusive thread came free in time. No Exception, so that no layer of the project turns it into a 500."""

    def __init__(self, waited: float) -> None:
        super().__init__(f"no exclusive thread came free within {waited:.0f} s")
        self.waited = waited


class RequestContext:
    """The key of one request in asgiref's table of executors. Dies with the last Context that knows it."""

    __slots__ = ("__weakref__", "_exited")

    def __init__(self) -> None:
        # asgiref 3.13 asks this of every context: tasks that outlive the request keep a thread (see RequestThread).
        self._exited = False


class RequestThread(Executor):
    """The executor of one request: takes a thread from its pool at the first call, gives it back on `release`.

    Calls made after that (by tasks that outlive the request) borrow a thread for as long as calls are open, and
    leave no connection behind.
    """

    # Most async requests never take a thread, so what describes one has no cost before that.
    used = False
    _error: BaseException | None = None
    _thread: PooledThread | None = None
    _backlog: list[Any] | None = None
    _borrowed: RequestThread | None = None
    _open = 0
    _calls = 0
    _released = False

    def __init__(self, pool: ThreadSource, *, prepare: bool = True) -> None:
        self._pool = pool
        self.prepares = prepare

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` on the request's thread, after everything submitted before."""
        future: Future[Any] = Future()
        work = (future, fn, args, kwargs)
        if self._error is not None:
            future.set_exception(self._error)
            return future
        with self._pool.lock:
            if self._released:
                borrowed = self._borrowed
                if borrowed is None or borrowed._released:
                    borrowed = self._borrowed = RequestThread(self._pool)
                borrowed._open += 1
            else:
                borrowed = None
                self._put(work)
        if borrowed is not None:
            with self._pool.lock:
                borrowed._put(work)
            future.add_done_callback(borrowed._call_done)
        return future

    def release(self, *, settled: bool = False) -> None:
        """Give the thread back after the calls submitted so far. Calling it again does nothing.

        `settled`: the last call has already left the thread as `settle` leaves it, so that the next request may have
        it at once, without a turn of the thread between.
        """
        with self._pool.lock:
            if self._released:
                return
            self._released = True
            thread = self._thread
            if thread is not None:
                if settled and thread.done == self._calls and self._pool.hands_over(thread):
                    return
                thread.queue.put(_end_of_request)
                return
            backlog, self._backlog = self._backlog, None
            self._pool.forget(self)
        for future, *_ in backlog or ():
            future.cancel()

    def _put(self, work: Any) -> None:
        """Queue one call; the pool's lock is held."""
        self.used = True
        self._calls += 1
        if self._thread is not None:
            self._thread.queue.put(work)
        elif self._backlog is not None:
            self._backlog.append(work)
        else:
            self._backlog = [work]
            self._pool.take(self)

    def _call_done(self, _future: Future[Any]) -> None:
        with self._pool.lock:
            self._open -= 1
            if self._open:
                return
        self.release()

    def started_on(self, thread: PooledThread) -> None:
        """A thread is ours now; the pool's lock is held."""
        self._thread = thread
        thread.owner = self
        thread.done = 0
        backlog, self._backlog = self._backlog, None
        if self.prepares:
            thread.queue.put(_start_of_request)
        for work in backlog or ():
            thread.queue.put(work)

    def left(self) -> None:
        """The thread is somebody else's from now on; the pool's lock is held."""
        if self._thread is not None:
            self._thread.owner = None
        self._thread = None

    def fail(self, error: BaseException) -> None:
        """Answer everything that waits for a thread, now or later, with `error`."""
        self._error = error
        backlog, self._backlog = self._backlog, None
        for future, *_ in backlog or ():
            if future.set_running_or_notify_cancel():
                future.set_exception(error)


_start_of_request = object()
_end_of_request = object()
_stop = object()


class PooledThread:
    """One thread and its queue. Belongs to one request at a time."""

    __slots__ = ("done", "idle_since", "owner", "queue", "source")

    def __init__(self, source: ThreadSource) -> None:
        self.source = source
        # Calls of the present owner that are over; only the thread itself counts up.
        self.done = 0
        self.idle_since = 0.0
        self.queue: SimpleQueue[Any] = SimpleQueue()
        self.owner: RequestThread | None = None

    def live(self) -> None:
        """What the thread runs."""
        try:
            self._serve()
        finally:
            self.source.at_end()

    def _serve(self) -> None:
        get = self.queue.get
        source = self.source
        while True:
            try:
                work = get(timeout=source.idle_seconds)
            except Empty:
                if source.may_end(self):
                    return
                continue
            if work is _start_of_request:
                source.prepare()
            elif work is _end_of_request:
                source.settle()
                if not source.next_owner(self):
                    return
            elif work is _stop:
                return
            else:
                self._run(*work)
            del work

    def _run(self, future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if not future.set_running_or_notify_cancel():
            self.done += 1
            return
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            self.done += 1
            future.set_exception(error)
        else:
            self.done += 1
            future.set_result(result)


class ThreadSource:
    """Where request threads come from: the pool below, or an executor of somebody else's."""

    idle_seconds: float = 60.0

    def __init__(self, prepare: Callable[[], None], settle: Callable[[], None], at_end: Callable[[], None]) -> None:
        self.lock = threading.Lock()
        self.prepare = prepare
        self.settle = settle
        self.at_end = at_end

    def take(self, request: RequestThread) -> None:
        """Find a thread for `request`, now or later; the lock is held."""
        raise NotImplementedError

    def forget(self, request: RequestThread) -> None:
        """`request` waits no longer; the lock is held."""

    def hands_over(self, thread: PooledThread) -> bool:
        """Whether a settled thread was passed on, or kept, at once; the lock is held."""
        return False

    def next_owner(self, thread: PooledThread) -> bool:
        """A request has left `thread`: whether the thread lives on."""
        raise NotImplementedError

    def may_end(self, thread: PooledThread) -> bool:
        """Whether a thread that had nothing to do for `idle_seconds` may end."""
        return False


class BorrowedThreads(ThreadSource):
    """Threads of another executor, each for the length of one request (the sync pool, on the step-aside path)."""

    def __init__(self, executor: Executor, prepare: Callable[[], None], settle: Callable[[], None]) -> None:
        super().__init__(prepare, settle, _nothing)
        self._executor = executor

    def take(self, request: RequestThread) -> None:
        """Queue the request's work; it starts when the executor has a thread."""
        thread = PooledThread(self)
        request.started_on(thread)
        self._executor.submit(thread.live)

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
        """Assign an idle thread, start one, or queue the request; the lock is held."""
        if self._waiting or not self._assign(request):
            self._waiting.append((time.monotonic() + self.wait_seconds, request))
            self._tick_soon()

    def forget(self, request: RequestThread) -> None:
        """Drop `request` from the queue; the lock is held."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not request)

    def next_owner(self, thread: PooledThread) -> bool:
        """Hand the thread to the request that waited longest, or keep it idle."""
        with self.lock:
            if self.hands_over(thread):
                return True
            self._gone(thread)
        return False

    def hands_over(self, thread: PooledThread) -> bool:
        """To the request that waited longest, or to the idle ones."""
        if self._closed:
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
                thread.queue.put(_stop)
            self._idle.clear()

    def _assign(self, request: RequestThread) -> bool:
        if self._idle:
            request.started_on(self._idle.pop())
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
            request._backlog = [work for work in _drain(thread.queue) if work is not _start_of_request]
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
        late: list[RequestThread] = []
        with self.lock:
            now = time.monotonic()
            while self._waiting and self._assign(self._waiting[0][1]):
                self._waiting.popleft()
            while self._waiting and self._waiting[0][0] <= now:
                late.append(self._waiting.popleft()[1])
            if self._waiting:
                loop.call_later(TICK_SECONDS, self._tick, loop)
            else:
                self._ticking = False
        for request in late:
            request.fail(NoThreadInTime(self.wait_seconds))


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
