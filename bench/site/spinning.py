"""Bare ASGI beside tasks that are always ready: GET /spin/N leaves N of them that `sleep(0)` for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import bare

tasks: set[asyncio.Task[None]] = set()


async def spin() -> None:
    """Never waits for anything."""
    while True:
        await asyncio.sleep(0)


async def asgi(scope: dict[str, Any], receive: Callable, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """`bare.asgi`, with company."""
    if scope["type"] == "http" and scope["path"].startswith("/spin/"):
        wanted = int(scope["path"].removeprefix("/spin/"))
        for task in tasks:
            task.cancel()
        tasks.clear()
        tasks.update(asyncio.ensure_future(spin()) for _ in range(wanted))
    await bare.asgi(scope, receive, send)
