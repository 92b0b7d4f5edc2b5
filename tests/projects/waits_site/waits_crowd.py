"""Several calls of one request at once."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def on_threads(call: Callable[[], Any]) -> None:
    """Three times, each on a thread of its own."""
    with ThreadPoolExecutor(3) as pool:
        started = [pool.submit(contextvars.copy_context().run, call) for _ in range(3)]
    for one in started:
        one.result()


async def in_tasks(call: Callable[[], Awaitable[Any]]) -> None:
    """Three times, each in a task of its own."""

    async def one() -> None:
        await call()

    await asyncio.gather(*(one() for _ in range(3)))
