"""A pytest plugin for asgiref's own tests: turnout's loop is the default, turnout's hop threads serve the contexts.

TURNOUT_SUITE_RESULT names the file that tells how each test ended, and how often turnout's parts were used.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from turnout.django.hoppool import HopPool, RequestThread
from turnout.loop import TurnoutLoop

USED: Counter[str] = Counter()
ENDED: dict[str, str] = {}


class Nothing:
    """What a request has on a thread, where there is no Django."""

    def arrive(self, *, foreign: bool) -> None: ...
    def leave(self) -> str:
        return ""

    def drop(self) -> None: ...
    def owes(self) -> bool:
        return False

    def end(self) -> None: ...


POOL = HopPool(lambda request: Nothing(), lambda: None)


def another_pool() -> None:
    """The threads of a parent are not in its forked child."""
    global POOL
    POOL = HopPool(lambda request: Nothing(), lambda: None)


os.register_at_fork(after_in_child=another_pool)


class Loop(TurnoutLoop):
    """A loop whose runtime runs, as it does in a server."""

    def __init__(self) -> None:
        super().__init__()
        self.reactor.start_runtime()
        USED["loops"] += 1


class Hops(RequestThread):
    """A request's thread with the end that asgiref knows."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        USED["hops"] += 1
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.release()


enter = ThreadSensitiveContext.__aenter__


async def enter_with_hops(self: ThreadSensitiveContext) -> ThreadSensitiveContext:
    """What turnout does for each async request: the context has its executor from the start."""
    entered = await enter(self)
    if self.token is not None and self not in SyncToAsync.context_to_thread_executor:
        SyncToAsync.context_to_thread_executor[self] = Hops(POOL)
    return entered


def pytest_configure() -> None:
    ThreadSensitiveContext.__aenter__ = enter_with_hops
    policy = getattr(asyncio.unix_events, "_UnixDefaultEventLoopPolicy", None)
    if policy is not None:
        policy._loop_factory = Loop
    if hasattr(asyncio, "EventLoop"):
        asyncio.EventLoop = asyncio.unix_events.EventLoop = Loop  # since 3.14 there is no need of a policy


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" or report.outcome != "passed":
        ENDED[report.nodeid] = report.outcome if report.when == "call" else f"{report.outcome} in {report.when}"


def pytest_sessionfinish() -> None:
    POOL.close()
    Path(os.environ["TURNOUT_SUITE_RESULT"]).write_text(json.dumps({"ended": ENDED, "used": USED}))
