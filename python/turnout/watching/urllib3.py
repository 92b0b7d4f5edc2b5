"""urllib3: a call is one wait, with its retries, its redirects and, where it is asked for, its whole body."""

from __future__ import annotations

from typing import Any

from turnout.watching.clock import place, place_of, put_in, queued, remembered, timed

KIND = "http"


def watch(module: Any) -> None:
    """`urllib3.connectionpool`."""
    put_in(module.HTTPConnectionPool, "urlopen", timed, KIND, _of_pool)
    put_in(module.HTTPConnectionPool, "_get_conn", queued, _is_full)


def watch_manager(module: Any) -> None:
    """`urllib3.poolmanager`: follows redirects from one pool to another."""
    put_in(module.PoolManager, "urlopen", timed, KIND, _of_manager)


def _of_pool(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    pool = args[0]
    if pool.proxy is not None:
        url = args[2] if len(args) > 2 else kwargs["url"]
        # A proxy is told the whole URL, unless it is only a tunnel to the pool's host.
        if not url.startswith("/"):
            return place_of(url)
    return remembered(pool, lambda: place(pool.host, pool.port))


def _is_full(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """What may still be connected is in the pool's queue too. One that does not block opens as many as are wanted."""
    pool = args[0]
    return bool(pool.block and pool.pool.empty())


def _of_manager(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    history = result.retries.history if result is not None and result.retries is not None else ()
    for step in reversed(history):
        if step.redirect_location and "://" in step.redirect_location:
            return place_of(step.redirect_location)
    return place_of(args[2] if len(args) > 2 else kwargs["url"])
