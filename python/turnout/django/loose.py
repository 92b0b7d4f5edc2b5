"""Threads of the loop's default executor: of `sync_to_async(thread_sensitive=False)` and `asyncio.to_thread`.

They belong to no request, so no request's end closes what was opened there: under Django's own handler such connections
stay until the process ends. Here each call leaves its thread as the end of a request leaves one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from turnout.django.lifecycle import prepare_thread, settle_thread


class LooseThreads(ThreadPoolExecutor):
    """As asyncio's own, and tidy."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="asyncio")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it between what Django does at the start and at the end of a request."""
        return super().submit(_tidily, fn, args, kwargs)


def _tidily(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    prepare_thread()
    try:
        return fn(*args, **kwargs)
    finally:
        settle_thread()
