"""How long the calls of a search were out, and how many threads were taken meanwhile.

A thread counts if, while calls are out, its stack is inside a request (Django's handlers or this app's own code), or if
it is kept for one request and lent to nobody else, as asgiref does with the thread of an async request. The main thread
is not counted: under a server with an event loop it runs that loop and belongs to all requests. The whole process is
counted, so somebody else's search at the same moment is in the figure too.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from asgiref.sync import SyncToAsync

# Often enough for calls of 50 ms and more; seldom enough to cost nothing that shows.
INTERVAL = 0.01

IN_A_REQUEST = ("django.core.handlers", "hotels.", "asyncio.base_events")


class Watch:
    """`with Watch() as watch:` around the calls; then `watch.took_ms` and `watch.threads`."""

    def __init__(self) -> None:
        self.took_ms = 0.0
        self.threads = 0
        self._start = 0.0
        self._last = 0

    def __enter__(self) -> Watch:
        self._start = time.perf_counter()
        _sampler.add(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self.took_ms = self.ms()
        _sampler.remove(self)

    def ms(self) -> float:
        """Milliseconds since the calls began."""
        return (time.perf_counter() - self._start) * 1000

    def seen(self, taken: int) -> None:
        """One look. What is gone at the next was only passing: an earlier request that gives its thread back."""
        self.threads = max(self.threads, min(taken, self._last))
        self._last = taken


class Sampler:
    """One thread that looks around every few milliseconds while there is anything to watch, and sleeps otherwise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._watches: set[Watch] = set()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._watches.add(watch)
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="thread-watch", daemon=True)
                self._thread.start()

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._watches.discard(watch)
            if not self._watches:
                self._wanted.clear()

    def _run(self) -> None:
        while self._wanted.wait():
            time.sleep(INTERVAL)
            taken = threads_taken()
            with self._lock:
                for watch in self._watches:
                    watch.seen(taken)


_sampler = Sampler()


def threads_taken() -> int:
    """Threads of this process that are inside a request, or kept for one, now."""
    apart = {threading.get_ident(), threading.main_thread().ident}
    inside = {ident for ident, frame in sys._current_frames().items() if ident not in apart and _in_a_request(frame)}
    return len(inside | _kept() - apart)


def _in_a_request(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(IN_A_REQUEST):
            return True
        frame = frame.f_back
    return False


def _kept() -> set[object]:
    """asgiref gives an async request that ever needs a thread one of its own, until the request ends.

    Its table holds a standard pool of one thread under most servers, and an object of the server's own under turnout,
    which has a thread (`_thread`) or has not.
    """
    kept: set[object] = set()
    for executor in list(SyncToAsync.context_to_thread_executor.values()):
        if isinstance(executor, ThreadPoolExecutor):
            kept.update(thread.ident for thread in list(executor._threads))
        elif getattr(executor, "_thread", None) is not None:
            kept.add(id(executor))
    return kept
