"""Threads for the blocking parts of async requests: one thread a request, from a pool.

A request takes an exclusive thread at its first hop and keeps it to its end, as under Django's ThreadSensitiveContext,
but the threads are pooled: none is started or joined a request. User code finds the thread where asgiref looks for it
(`SyncToAsync.context_to_thread_executor`), so `sync_to_async` in a view runs there too. This file knows no Django;
what a thread must do at the start and the end of a request comes in as `prepare` and `settle`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any


class NoThreadInTime(BaseException):
    """No exclusive thread came free in time. No Exception, so that no layer of the project turns it into a 500."""


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
    #: Whether a thread was given at all.
    used = False
    _error: BaseException | None = None
    _thread: PooledThread | None = None
    _backlog: list[Any] | None = None
    _borrowed: RequestThread | None = None
    _open = 0
    _last: Future[Any] | None = None
    _released = False
    _ending = False
    _brief = False

    #: Waits for a thread as long as it takes: its answer has begun, or only its end is owed.
    patient = False

    def __init__(self, pool: ThreadSource, *, prepare: bool = True, patient: bool = False) -> None:
        self._pool = pool
        self.prepares = prepare
        if patient:
            self.patient = True

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
                if self._ending:
                    self._end_with(work)
                else:
                    self._put(work)
        if borrowed is not None:
            with self._pool.lock:
                borrowed._put(work)
            future.add_done_callback(borrowed._call_done)
        return future

    def end_with_next_call(self, *, brief: bool = False) -> None:
        """The next call is the last one and leaves the thread as `settle` does: then the thread gives itself back.

        So it does not stand idle until the loop has heard of the end, which on a busy loop is after the next requests
        have asked for threads. `brief`: the call can neither wait nor take long, so the next request may queue behind
        it, if nothing else is before it, instead of starting one thread more.
        """
        self._ending = True
        self._brief = brief

    def step_aside(self, leave: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Give the thread to others until the next call, if `leave`, run on it, says so. That call must come after."""
        self.patient = True
        future = self.submit(leave, *args)
        future.add_done_callback(self._stepped_aside)
        return future

    def _stepped_aside(self, future: Future[Any]) -> None:
        if future.cancelled() or future.exception() is not None or not future.result():
            return
        with self._pool.lock:
            thread, self._thread = self._thread, None
            if thread is None or self._released:
                self._thread = thread
                return
            thread.owner = None
            thread.queue.put(end_of_request)

    def release(self) -> None:
        """Give the thread back after the calls submitted so far. Calling it again does nothing."""
        with self._pool.lock:
            if self._released:
                return
            self._released = True
            thread = self._thread
            if thread is not None:
                thread.queue.put(end_of_request)
                return
            if self._backlog is None:
                return
            # Calls that still wait for a thread belong to tasks that outlive the request, or were cancelled with it.
            if all(future.cancelled() for future, *_ in self._backlog):
                self._backlog = None
                self._pool.forget(self)

    def _end_with(self, work: Any) -> None:
        """Queue the last call; the pool's lock is held."""
        self._released = True
        thread = self._thread
        if thread is None:
            # `started_on` puts the end behind it.
            self._put(work)
            return
        alone = self._last is None or self._last.done()
        thread.queue.put(work)
        thread.queue.put(end_settled)
        if self._brief and alone:
            self._pool.soon_free(thread)

    def _put(self, work: Any) -> None:
        """Queue one call; the pool's lock is held."""
        self._last = work[0]
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
        self.used = True
        self._thread = thread
        thread.owner = self
        backlog, self._backlog = self._backlog, None
        if self.prepares:
            thread.queue.put(start_of_request)
        for work in backlog or ():
            thread.queue.put(work)
        if self._released:
            thread.queue.put(end_of_request)

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


start_of_request = object()
end_of_request = object()
end_settled = object()
stop = object()


class PooledThread:
    """One thread and its queue. Belongs to one request at a time."""

    __slots__ = ("idle_since", "owner", "queue", "source", "taken")

    def __init__(self, source: ThreadSource) -> None:
        self.source = source
        # How many requests queued up here while an earlier one was ending: so many ends do not free the thread.
        self.taken = 0
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
            if work is start_of_request:
                source.prepare()
            elif work is end_of_request or work is end_settled:
                if work is end_of_request:
                    source.settle()
                if not source.next_owner(self):
                    return
            elif work is stop:
                return
            else:
                self._run(*work)
            del work

    def _run(self, future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
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

    def soon_free(self, thread: PooledThread) -> None:
        """A thread has one brief call left: its source may give it away already; the lock is held."""

    def next_owner(self, thread: PooledThread) -> bool:
        """A request has left `thread`: whether the thread lives on."""
        raise NotImplementedError

    def may_end(self, thread: PooledThread) -> bool:
        """Whether a thread that had nothing to do for `idle_seconds` may end."""
        return False
