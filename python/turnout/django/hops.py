"""Threads for the blocking parts of async requests: a thread while a call runs, none while the request waits.

As far as a request can tell it has one thread: its calls run one after the other, and find what the calls before them
left. What they left is the request's (`Belongings`), not the thread's: it is packed when a call has ended and nothing
else is queued, and unpacked on whichever thread runs the next one. A request keeps its thread between calls only while
something cannot travel, such as an open transaction. User code finds the thread where asgiref looks for it
(`SyncToAsync.context_to_thread_executor`), so `sync_to_async` in a view runs there too.

This file knows no database and no Django; which calls leave nothing behind is told by `targets`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from turnout.django.targets import Runs, runs


class NoThreadInTime(BaseException):
    """No thread came free in time. No Exception, so that no layer of the project turns it into a 500."""


class RequestContext:
    """The key of one request in asgiref's table of executors. Dies with the last Context that knows it."""

    __slots__ = ("__weakref__", "_exited")

    def __init__(self) -> None:
        # asgiref 3.13 asks this of every context: tasks that outlive the request keep a thread (see RequestThread).
        self._exited = False


class Belongings(Protocol):
    """What a request leaves on the thread where its calls run. Used by one thread at a time."""

    def arrive(self, *, foreign: bool) -> None:
        """Before a call, on its thread: unpack. `foreign`: nobody vouches for what the call leaves behind."""

    def leave(self) -> str:
        """After a call, on its thread: pack. If something must stay, so must the request, and this says why."""

    def drop(self) -> None:
        """Packing failed: let nothing of the request stay on this thread, whatever that costs the request."""

    def owes(self) -> bool:
        """Whether the end of the request has something to do on a thread."""

    def end(self) -> None:
        """The request is over: put everything away, packed or not, on this thread."""


# One call: where its result goes, the function with its arguments, what it runs, and from where in the project's code.
Work = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any], Runs, int]

# Who waits for a call's result, unless nobody does any more; the result; the exception in its place; a `ThreadHop`
# that ends just before that is told, or None.
Outcome = tuple["Future[Any] | None", Any, "BaseException | None", Any]


class RequestThread(Executor):
    """The executor of one request. Its calls run serially, each on a thread that its source finds for it.

    Calls made after `release` (by tasks that outlive the request) are those of a request of their own, and leave
    nothing behind once none of them is open.
    """

    # Most async requests never take a thread, so what describes one has no cost before that.
    #: Whether a call of it ever had a thread: from then on the request does not wait behind new ones.
    used = False
    #: Why it keeps its thread between calls; empty when it does not.
    kept = ""
    #: Its call has made the thread free although the source would have left it to the request.
    vacates = False
    #: The request, once there is one: whose view is named to the operator if it keeps a thread.
    request: Any = None
    #: Waits for a thread as long as it takes: its answer has begun, or only its end is owed.
    patient = False

    #: The account of its time, once there is one: an `Accounted`.
    accounted: Any = None
    #: The thread of its last call.
    last: PooledThread | None = None
    belongings: Belongings | None = None
    backlog: deque[Work] | tuple[()] = ()
    _error: BaseException | None = None
    _thread: PooledThread | None = None
    _queued = False
    _borrowed: RequestThread | None = None
    _open = 0
    _released = False
    _ending = False

    def __init__(self, source: ThreadSource, *, prepare: bool = True, patient: bool = False) -> None:
        self._source = source
        self.prepares = prepare
        if patient:
            self.patient = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` after everything submitted before: on a thread, unless it is known to need none."""
        kind = self._source.runs(fn)
        if kind is Runs.ON_LOOP and self._thread is None and not self._queued:
            return _at_once(fn, args, kwargs)
        future: Future[Any] = Future()
        if self._error is not None:
            future.set_exception(self._error)
            return future
        work = (future, fn, args, kwargs, kind, 0 if self.accounted is None else self.accounted.caller())
        with self._source.lock:
            if not self._released:
                self._released = self._ending
                self._add(work)
                return future
            borrowed = self._borrowed
            if borrowed is None or borrowed._released:
                borrowed = self._borrowed = RequestThread(self._source)
            borrowed._open += 1
            borrowed._add(work)
        future.add_done_callback(borrowed._call_done)
        return future

    def end_with_next_call(self) -> None:
        """The next call is the last one: what the request has on threads is put away with it."""
        self._ending = True

    @property
    def resident(self) -> bool:
        """Whether its thread is its own to its end, so that it has to `step_aside` where others may have it."""
        return self._source.resident

    def step_aside(self, leave: Callable[..., bool], /, *args: Any) -> Future[Any]:
        """Give the thread to others until the next call, if `leave`, run on it, says so. That call must come after."""
        self.patient = True

        def going() -> None:
            self.vacates = leave(*args)

        return self.submit(going)

    def release(self) -> None:
        """The request is over, after the calls submitted so far. Calling it again does nothing."""
        with self._source.lock:
            if self._released:
                return
            self._released = True
            if self._queued and all(future.cancelled() for future, *_ in self.backlog):
                # Nobody waits for these any more. Others belong to tasks that outlive the request.
                self._queued = False
                if self.accounted is not None:
                    for _ in self.backlog:
                        self.accounted.gives_up()
                self.backlog = ()
                self._source.forget(self)
            if self._thread is not None or (self.belongings is not None and self.belongings.owes()):
                self._add((Future(), _nothing, (), {}, Runs.VETTED, 0))

    def _add(self, work: Work) -> None:
        """Queue one call; the source's lock is held."""
        if type(self.backlog) is tuple:
            self.backlog = deque()
        self.backlog.append(work)
        if self.accounted is not None:
            self.accounted.queues()
        thread = self._thread
        if thread is not None:
            if thread.parked:
                thread.parked = False
                thread.queue.put(self)
        elif not self._queued:
            self._queued = True
            self._source.take(self)

    def _call_done(self, _future: Future[Any]) -> None:
        with self._source.lock:
            self._open -= 1
            if self._open:
                return
        self.release()

    def waits_for(self) -> Runs:
        """What the next call runs; the lock is held."""
        return self.backlog[0][4]

    def started_on(self, thread: PooledThread) -> None:
        """A thread is ours now; the source's lock is held."""
        self._queued = False
        self.used = True
        self._thread = thread
        if self.accounted is not None and not self._source.queues:
            self.accounted.assigned()
        if self.belongings is None:
            self.belongings = self._source.belongings(self)
        thread.queue.put(self)

    def left(self) -> None:
        """The thread is free; the source's lock is held."""
        self.last, self._thread = self._thread, None

    @property
    def occupied(self) -> bool:
        """Whether it has a thread, or waits for one: a call that nobody waits for any more may still run."""
        return self._thread is not None or self._queued

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come on its thread."""
        return self._released and not self.backlog

    def fail(self, error: BaseException) -> None:
        """Answer everything that waits for a thread, now or later, with `error`."""
        self._error = error
        backlog, self.backlog, self._queued = self.backlog, (), False
        for future, *_ in backlog:
            if self.accounted is not None:
                self.accounted.gives_up()
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

    def run_next(self) -> Outcome:
        """On its thread: one call, and the packing after it. Whoever calls this tells the outcome to who waits."""
        future, fn, args, kwargs, kind, caller = self.backlog.popleft()  # type: ignore[union-attr]
        hop = None if self.accounted is None else self.accounted.begins(caller, kind is not Runs.FOREIGN)
        result: Any = None
        failed: BaseException | None = None
        run = future.set_running_or_notify_cancel()
        if run:
            try:
                self.belongings.arrive(foreign=kind is Runs.FOREIGN)  # type: ignore[union-attr]
                result = fn(*args, **kwargs)
            except BaseException as error:
                failed = error
        if not self.backlog:
            self._pack()
        return (future if run else None), result, failed, hop

    def _pack(self) -> None:
        belongings: Any = self.belongings
        try:
            if self._released:
                self.kept = ""
                belongings.end()
            else:
                self.kept = belongings.leave()
                if self.kept:
                    self._source.keeps(self)
                    if self.accounted is not None:
                        self.accounted.keeps(self.kept, between_calls=True)
        except Exception:
            self.kept = ""
            self._source.packing_failed(self)
            belongings.drop()


def _at_once(fn: Callable[..., Any], args: Any, kwargs: Any) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(fn(*args, **kwargs))
    except Exception as error:
        future.set_exception(error)
    return future


def _nothing() -> None:
    pass


class PooledThread:
    """One thread and its queue. Runs the calls of one request at a time."""

    __slots__ = ("idle_since", "lane", "parked", "queue", "source")

    def __init__(self, source: ThreadSource) -> None:
        self.source = source
        self.queue: SimpleQueue[Any] = SimpleQueue()
        # Kept by a request that has no call to run now.
        self.parked = False
        self.idle_since = 0.0
        # Which of its source's limits it counts for now.
        self.lane: Any = None

    def live(self) -> None:
        """What the thread runs."""
        try:
            self._serve()
        finally:
            self.source.at_end()

    def _serve(self) -> None:
        source = self.source
        request: RequestThread | None = None
        while True:
            if request is None:
                try:
                    request = self.queue.get(timeout=source.idle_seconds)
                except Empty:
                    if source.may_end(self):
                        return
                    continue
                if request is stop:
                    return
            future, result, failed, hop = request.run_next()
            # Free before the result is known: what comes of it then finds this thread instead of starting another.
            with source.lock:
                request = source.after(self, request)
            if hop is not None:
                hop.end()
            if future is not None:
                if failed is None:
                    future.set_result(result)
                else:
                    future.set_exception(failed)
            del future, result, failed, hop
            if request is stop:
                return


stop: Any = object()


class ThreadSource:
    """Where request threads come from: the pool, or an executor of somebody else's."""

    idle_seconds: float = 60.0
    #: Whether a request keeps its thread to its end.
    resident = False
    #: Whether a thread that was found has yet to come free.
    queues = False
    #: What tells what a call runs.
    runs: Callable[[Any], Runs] = staticmethod(runs)

    def __init__(self, belongings: Callable[[RequestThread], Belongings], at_end: Callable[[], None]) -> None:
        self.lock = threading.Lock()
        #: What makes the belongings of a request, when it comes to its first thread.
        self.belongings = belongings
        self.at_end = at_end

    def take(self, request: RequestThread) -> None:
        """Find a thread for the next call of `request`, now or later; the lock is held."""
        raise NotImplementedError

    def forget(self, request: RequestThread) -> None:
        """`request` waits no longer; the lock is held."""

    def after(self, thread: PooledThread, request: RequestThread) -> RequestThread | None:
        """A call has ended: whose is next on `thread`, `stop` if the thread ends, None if it waits. Lock held."""
        raise NotImplementedError

    def may_end(self, thread: PooledThread) -> bool:
        """Whether a thread that had nothing to do for `idle_seconds` may end."""
        return False

    def keeps(self, request: RequestThread) -> None:
        """`request` keeps its thread after a call; on that thread."""

    def packing_failed(self, request: RequestThread) -> None:
        """What belongs to a request could not be put away; called in the except block."""
        raise
