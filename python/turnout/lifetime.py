"""Runs the project's start and stop hooks (startstop.py) on one loop. Knows no Django and no server.

All hooks of a loop run in one task, one after another: what an async one enters (a task group, a session) another one
may leave, and a ContextVar that one sets, all that follow see.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any

from turnout import startstop
from turnout.project import own_frames
from turnout.startstop import Hook

#: A hook that was cancelled gets so long to notice.
CANCEL_SECONDS = 0.5
#: However long one shutdown hook takes, each of the others has at least this much, if there is so much at all.
SHARE_SECONDS = 0.5

logger = logging.getLogger("turnout")


class StartError(Exception):
    """A startup hook failed, as its cause says, or did not end in time. The last line of its text says so in one."""

    def __init__(self, hook: Hook, what: str, where: str = "") -> None:
        super().__init__(f"{where}the startup hook {hook.name} {what}")
        self.hook = hook


class Lifetime:
    """The hooks of one loop, from its start to its end. Whoever drops it before cancels its task with the loop's."""

    def __init__(self, around: Callable[[], AbstractContextManager[Any]] = nullcontext) -> None:
        #: What each async hook runs in: where Django is, a thread for the ORM.
        self._around = around
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._stop: asyncio.Future[float] | None = None
        self._counted = False
        #: What hooks have set, for requests to see.
        self.variables: dict[contextvars.ContextVar[Any], Any] = {}

    async def start(self) -> None:
        """Run the startup hooks; StartError as soon as one has failed."""
        if startstop.startup or startstop.shutdown:
            loop = asyncio.get_running_loop()
            self._started, self._stop = loop.create_future(), loop.create_future()
            self._task = asyncio.ensure_future(self._run())
            await asyncio.wait([self._started])
            self._started.result()
        self._counted = True
        startstop.begun += 1

    async def stop(self, limit: float) -> None:
        """Run the shutdown hooks, all within `limit` seconds, if the startup was whole."""
        if not self._counted:
            return
        self._counted = False
        startstop.begun -= 1
        if self._task is None and startstop.shutdown:
            self._task = asyncio.ensure_future(self._shut_down(asyncio.get_running_loop().time() + limit))
        elif self._stop is not None:
            self._stop.set_result(limit)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=limit + CANCEL_SECONDS)

    async def _run(self) -> None:
        assert self._started is not None
        assert self._stop is not None
        before = contextvars.copy_context()
        for hook in startstop.startup:
            run = _Run(hook, self._around, hook.timeout)
            given_up = run.loop.call_later(hook.timeout + CANCEL_SECONDS, self._give_up, hook, run)
            error = await run.error()
            given_up.cancel()
            if self._started.done():
                return
            if error is not None:
                self._fail(_start_error(hook, error))
                return
        self.variables = dict(_changes(before, contextvars.copy_context()))
        self._started.set_result(None)
        limit = await self._stop
        await self._shut_down(asyncio.get_running_loop().time() + limit)

    async def _shut_down(self, deadline: float) -> None:
        hooks = list(reversed(startstop.shutdown))
        for position, hook in enumerate(hooks):
            left = deadline - asyncio.get_running_loop().time()
            others = len(hooks) - position - 1
            limit = max(left - others * min(SHARE_SECONDS, left / (others + 1)), 0)
            error = await _Run(hook, self._around, limit).error()
            if isinstance(error, _Late):
                logger.warning("the shutdown hook %s did not end within %.3g s and was cut off", hook.name, limit)
            elif error is not None:
                frames = own_frames(error.__traceback__)
                logger.error("the shutdown hook %s failed", hook.name, exc_info=(type(error), error, frames))

    def _give_up(self, hook: Hook, run: _Run) -> None:
        """It was cancelled and goes on all the same."""
        if self._started is not None and not self._started.done():
            self._fail(_start_error(hook, _Late(run.where or "")))

    def _fail(self, error: StartError) -> None:
        if self._started is not None:
            self._started.set_exception(error)
            # If the worker ends meanwhile nobody asks, and asyncio need not complain about that.
            self._started.exception()


class _Late(Exception):
    """It did not end in time."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where


class _Run:
    """One hook being run in the current task."""

    def __init__(self, hook: Hook, around: Callable[[], AbstractContextManager[Any]], limit: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._hook = hook
        self._around = around
        self._limit = limit
        self._task = asyncio.current_task()
        self._running: Any = None
        #: Where it was when its time was over.
        self.where: str | None = None

    async def error(self) -> BaseException | None:
        """What it raised, `_Late`, or None."""
        alarm = self.loop.call_later(self._limit, self._ring)
        try:
            await self._call()
        except asyncio.CancelledError as error:
            # The loop ends; else the hook was cancelled by something of its own.
            if self.where is None and getattr(self._task, "cancelling", int)():
                raise
            failure: BaseException | None = error
        except BaseException as error:
            failure = error
        else:
            failure = None
        finally:
            alarm.cancel()
        if self.where is None:
            return failure
        # Python 3.11 counts cancellations, and time limits of the hooks that follow look at the count.
        getattr(self._task, "uncancel", lambda: 0)()
        return _Late(self.where)

    async def _call(self) -> None:
        function = self._hook.function
        if _is_async(function):
            with self._around():
                self._running = function()
                await self._running
            return
        result = await self._on_thread(function)
        if inspect.isawaitable(result):
            with self._around():
                self._running = result
                await result

    async def _on_thread(self, function: Callable[[], Any]) -> Any:
        """On a thread of its own, so that one that hangs is in nobody's way."""
        context = contextvars.copy_context()
        outcome: asyncio.Future[Any] = self.loop.create_future()

        def run() -> None:
            settle: Callable[[asyncio.Future[Any], Any], None]
            try:
                _enter_thread(self.loop)
                settle, value = _set_result, context.run(function)
            except BaseException as error:
                settle, value = _set_exception, error
            finally:
                _leave_thread()
            try:
                self.loop.call_soon_threadsafe(settle, outcome, value)
            except RuntimeError:
                # The loop was closed: nobody waits any more.
                pass

        self._running = threading.Thread(target=run, name=f"turnout-hook {self._hook.name}", daemon=True)
        self._running.start()
        result = await outcome
        for variable, value in _changes(contextvars.copy_context(), context):
            variable.set(value)
        return result

    def _ring(self) -> None:
        self.where = "".join(_where(self._running))
        if self._task is not None:
            self._task.cancel()


def _start_error(hook: Hook, error: BaseException) -> StartError:
    if isinstance(error, _Late):
        where = f"It is here (most recent call last):\n{error.where}" if error.where else ""
        return StartError(hook, f"did not end within {hook.timeout:g} s", where)
    text = " ".join(str(error).split())
    made = StartError(hook, f"failed with {type(error).__name__}{': ' + text if text else ''}")
    made.__cause__ = error
    return made


def _is_async(function: Any) -> bool:
    function = getattr(function, "func", function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _changes(
    before: contextvars.Context, after: contextvars.Context
) -> Iterator[tuple[contextvars.ContextVar[Any], Any]]:
    """What was set. Not asgiref's Locals: what is in those (caches, the language) belongs to one thread or request."""
    nothing = object()
    for variable, value in after.items():
        if before.get(variable, nothing) is not value and not variable.name.startswith("asgiref."):
            yield variable, value


def _enter_thread(loop: asyncio.AbstractEventLoop) -> None:
    """`async_to_sync` in a hook then runs on the worker's loop."""
    asgiref = sys.modules.get("asgiref.sync")
    if asgiref is not None:
        asgiref.SyncToAsync.threadlocal.main_event_loop = loop
        asgiref.SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()


def _leave_thread() -> None:
    """Close what the thread has opened: it ends."""
    django = sys.modules.get("django.db")
    if django is not None:
        try:
            django.connections.close_all()
        except Exception:
            logger.warning("a database connection of a hook could not be closed", exc_info=True)


def _where(running: Any) -> Iterator[str]:
    """The stack of a hook, thread or coroutine, without turnout's frames."""
    frames: list[tuple[FrameType, int]] = []
    if isinstance(running, threading.Thread):
        current = sys._current_frames().get(running.ident or 0)
        frames = list(traceback.walk_stack(current))[::-1] if current is not None else []
    else:
        while running is not None:
            frame = getattr(running, "cr_frame", None)
            if frame is not None:
                frames.append((frame, frame.f_lineno))
            running = getattr(running, "cr_await", None)
    own = (__file__, threading.__file__)
    seen = [(frame, line) for frame, line in frames if frame.f_code.co_filename not in own]
    yield from traceback.StackSummary.extract(iter(seen)).format()


def _set_result(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _set_exception(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, (StopIteration, KeyboardInterrupt, SystemExit, asyncio.CancelledError)):
        # A future takes no StopIteration, and asyncio would end the loop for the others.
        told = RuntimeError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        told.__traceback__ = error.__traceback__
        future.set_exception(told)
    else:
        future.set_exception(error)
