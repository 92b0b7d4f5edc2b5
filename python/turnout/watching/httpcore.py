"""httpcore, the pool of httpx: its calls are told by httpx, and here how long they were in line for a connection."""

from __future__ import annotations

from typing import Any

from turnout.watching.clock import put_in, queued, queued_async


def watch_pools(module: Any) -> None:
    """`httpcore`, since 1.0.3."""
    put_in(module._sync.connection_pool.PoolRequest, "wait_for_connection", queued, _has_none)
    put_in(module._async.connection_pool.AsyncPoolRequest, "wait_for_connection", queued_async, _has_none)


def _has_none(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """It would have one, which may still have to be connected, if the pool were not full."""
    return args[0].connection is None
