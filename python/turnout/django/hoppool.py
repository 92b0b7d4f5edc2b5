"""Where request threads come from: turnout's own elastic pool, or an executor of somebody else's.

Sizes and waits are decided here; what happens on a thread is in hops.py.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from asgiref.current_thread_executor import CurrentThreadExecutor

from turnout.django.hops import Belongings, NoThreadInTime, PooledThread, RequestThread, ThreadSource, stop
from turnout.django.targets import Runs, all_foreign

log = logging.getLogger("turnout.django")

# How often the pool looks again while requests wait: a thread that blocks in `async_to_sync` says nothing.
TICK_SECONDS = 0.05
# No call of a lane has ended for so long while calls wait: what the running ones wait for may be among those.
STUCK_SECONDS = 1.0

_BLOCKED_IN = CurrentThreadExecutor.run_until_future.__code__
# How many frames (Condition.wait and what wraps a lock) stand above `run_until_future` while it waits, at most.
_BLOCKED_DEPTH = 4


class BorrowedThreads(ThreadSource):
    """Threads of another executor, each for the length of one request (the sync pool, on the step-aside path)."""

    resident = True
    queues = True
    runs = staticmethod(all_foreign)

    def __init__(self, executor: Executor, belongings: Callable[[RequestThread], Belongings]) -> None:
        super().__init__(belongings, _nothing)
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
                request.left()
                request.fail(NoThreadInTime(str(error)))

        self._executor.submit(thread.live).add_done_callback(refused)

    def after(self, thread: PooledThread, request: RequestThread) -> RequestThread | None:
        """The thread is the request's to its end, then it goes back to its executor."""
        if request.backlog:
            return request
        if request.ended or request.vacates:
            request.vacates = False
            request.left()
            return stop
        thread.parked = True
        return None


class Lane:
    """Calls that count for the same limit: those that run, and those that wait, running requests before new ones."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.begun: deque[tuple[float, RequestThread]] = deque()
        self.new: deque[tuple[float, RequestThread]] = deque()
        #: When a call last ended or was let in.
        self.moved = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return len(self.begun) + len(self.new)

    def queue(self, until: float, request: RequestThread) -> None:
        """`request` waits."""
        (self.begun if request.used else self.new).append((until, request))

    def first(self) -> RequestThread:
        """Who is next."""
        return (self.begun or self.new)[0][1]

    def pop(self) -> RequestThread:
        """Who is next, no longer waiting."""
        return (self.begun or self.new).popleft()[1]

    def forget(self, request: RequestThread) -> None:
        """`request` waits no longer."""
        self.begun = deque(entry for entry in self.begun if entry[1] is not request)
        self.new = deque(entry for entry in self.new if entry[1] is not request)

    def late(self, now: float) -> list[RequestThread]:
        """Those whose time is up; they wait no longer."""
        late = [request for until, request in self.new if until <= now]
        if late:
            self.new = deque(entry for entry in self.new if entry[0] > now)
        return late


class HopPool(ThreadSource):
    """Elastic pool with two limits; idle threads end after `idle_seconds`.

    `hop_threads` bounds the calls that are known to be short and to leave nothing behind, `cap` all others together
    with the threads that requests keep. At a limit a call waits: one of a request that had a thread before as long as
    it takes, ahead of all new requests; the first one of a request at most `wait_seconds`. Threads blocked in
    `async_to_sync` do not count: what they wait for may need a thread. And where nothing has moved for a second, the
    limit gives way, one thread at a time, to calls of requests that were let in: they may hold what others wait for.
    """

    def __init__(
        self,
        belongings: Callable[[RequestThread], Belongings],
        at_end: Callable[[], None],
        *,
        hop_threads: int = 8,
        cap: int = 64,
        idle_seconds: float = 60.0,
        wait_seconds: float = 30.0,
        kept: Callable[[RequestThread], None] | None = None,
    ) -> None:
        super().__init__(belongings, at_end)
        self.cap = cap
        self.idle_seconds = idle_seconds
        self.wait_seconds = wait_seconds
        self._vetted = Lane(hop_threads)
        self._foreign = Lane(cap)
        self._kept = kept
        self._idle: list[PooledThread] = []
        self._idents: dict[PooledThread, int] = {}
        self._count = 0
        self._names = itertools.count(1)
        self._ticking = False
        self._closed = False

    @property
    def threads(self) -> int:
        """Threads alive now."""
        return self._count

    @property
    def busy(self) -> int:
        """Threads that run a call, or are kept by a request, now."""
        return self._count - len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread now."""
        return len(self._vetted) + len(self._foreign)

    def take(self, request: RequestThread) -> None:
        """Assign an idle thread, start one, or queue the request; the lock is held."""
        lane = self._lane_of(request)
        # A request that had a thread before does not wait behind those that did not.
        ahead = lane.begun if request.used else len(lane)
        if not ahead and self._has_room(lane) and self._assign(lane, request):
            return
        patient = request.used or request.patient
        now = time.monotonic()
        if not lane:
            lane.moved = now
        lane.queue(math.inf if patient else now + self.wait_seconds, request)
        self._tick_soon()

    def forget(self, request: RequestThread) -> None:
        """Drop `request` from the queues; the lock is held."""
        self._vetted.forget(request)
        self._foreign.forget(request)

    def after(self, thread: PooledThread, request: RequestThread) -> RequestThread | None:
        """The same request's next call, else that of another one, else the thread is kept or idle."""
        lane = thread.lane
        lane.moved = time.monotonic()
        if request.backlog:
            self._count_for(thread, self._lane_of(request))
            return request
        if request.kept:
            thread.parked = True
            self._count_for(thread, self._foreign)
            return None
        request.left()
        lane.running -= 1
        thread.lane = None
        for other in (lane, self._foreign if lane is self._vetted else self._vetted):
            if other and self._has_room(other):
                following = other.pop()
                self._occupy(thread, other)
                following.started_on(thread)
                # What `started_on` queued is what is returned.
                return thread.queue.get_nowait()
        if self._closed:
            self._gone(thread)
            return stop
        thread.idle_since = time.monotonic()
        self._idle.append(thread)
        return None

    def may_end(self, thread: PooledThread) -> bool:
        """End a thread that was idle for long enough, unless a request took it in this very moment."""
        with self.lock:
            if thread not in self._idle or time.monotonic() - thread.idle_since < self.idle_seconds / 2:
                return False
            self._idle.remove(thread)
            self._gone(thread)
        return True

    def close(self) -> None:
        """End idle threads now and busy ones when they are free. Joins nothing."""
        with self.lock:
            self._closed = True
            for thread in self._idle:
                self._gone(thread)
                thread.queue.put(stop)
            self._idle.clear()

    def keeps(self, request: RequestThread) -> None:
        """Told to whoever wants to know."""
        if self._kept is not None:
            self._kept(request)

    def packing_failed(self, request: RequestThread) -> None:
        """Said, and the thread goes on: an error here must not cost the request its answer."""
        log.exception("What a request left on a thread could not be put away")

    def _lane_of(self, request: RequestThread) -> Lane:
        return self._foreign if request.waits_for() is Runs.FOREIGN else self._vetted

    def _has_room(self, lane: Lane) -> bool:
        if lane.running < lane.limit:
            return True
        return lane is self._foreign and lane.running - self._blocked() < lane.limit

    def _assign(self, lane: Lane, request: RequestThread) -> bool:
        """Give `request` an idle thread or a new one; False when the system has no more."""
        if self._idle:
            thread = self._idle_thread(request)
            self._occupy(thread, lane)
            request.started_on(thread)
            return True
        thread = PooledThread(self)
        worker = threading.Thread(target=thread.live, name=f"turnout-hop-{next(self._names)}", daemon=True)
        try:
            worker.start()
        except RuntimeError:
            # The system gives no more threads: as at the limit.
            return False
        self._count += 1
        self._idents[thread] = worker.ident or 0
        self._occupy(thread, lane)
        request.started_on(thread)
        return True

    def _idle_thread(self, request: RequestThread) -> PooledThread:
        """The one it had last, which code that looks at the thread's identity expects; else the last to be idle."""
        last = request.last
        if last is not None and last in self._idle:
            self._idle.remove(last)
            return last
        return self._idle.pop()

    def _occupy(self, thread: PooledThread, lane: Lane) -> None:
        thread.lane = lane
        lane.running += 1
        lane.moved = time.monotonic()

    def _count_for(self, thread: PooledThread, lane: Lane) -> None:
        """A thread goes on under another limit, and leaves room under its own."""
        before = thread.lane
        if before is lane:
            return
        before.running -= 1
        self._occupy(thread, lane)
        self._fill(before)

    def _fill(self, lane: Lane) -> None:
        while lane and self._has_room(lane):
            request = lane.first()
            if not self._assign(lane, request):
                return
            lane.pop()

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
            for lane in (self._vetted, self._foreign):
                self._fill(lane)
                if self._is_stuck(lane, now) and self._assign(lane, lane.first()):
                    lane.pop()
                late += lane.late(now)
            if self.waiting:
                loop.call_later(TICK_SECONDS, self._tick, loop)
            else:
                self._ticking = False
        for request in late:
            request.fail(NoThreadInTime(f"no thread for a hop came free within {self.wait_seconds:g} s"))

    def _is_stuck(self, lane: Lane, now: float) -> bool:
        # New requests are what the cap is there to keep out.
        waiting = lane.begun if lane is self._foreign else lane
        return bool(waiting) and now - lane.moved > STUCK_SECONDS


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
