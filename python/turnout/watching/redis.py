"""redis: a command is one wait, with the connection for it; so is a pipeline, and each message that is listened for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from turnout.watching.clock import place, put_in, queued, queued_async, remembered, timed, timed_async

KIND = "cache"


def watch(module: Any) -> None:
    """`redis.client`."""
    _watch(module, timed)


def watch_async(module: Any) -> None:
    """`redis.asyncio.client`."""
    _watch(module, timed_async)


def watch_pool(module: Any) -> None:
    """`redis.connection`. What may still be connected is in the pool's queue too."""
    put_in(module.BlockingConnectionPool, "get_connection", queued, _is_empty)


def watch_pool_async(module: Any) -> None:
    """`redis.asyncio.connection`."""
    put_in(module.BlockingConnectionPool, "get_connection", queued_async, _is_full)


def _is_empty(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(args[0].pool.empty())


def _is_full(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return not args[0].can_get_connection()


def _watch(module: Any, wrap: Callable[..., Any]) -> None:
    put_in(module.Redis, "execute_command", wrap, KIND, _of_client)
    # Commands are put into a pipeline; what follows a WATCH goes out at once.
    put_in(module.Pipeline, "immediate_execute_command", wrap, KIND, _of_client)
    put_in(module.Pipeline, "execute", wrap, KIND, _of_client, _has_commands)
    put_in(module.PubSub, "execute_command", wrap, KIND, _of_client)
    put_in(module.PubSub, "parse_response", wrap, KIND, _of_client)


def _has_commands(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(args[0].command_stack or args[0].watching)


def _of_client(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    pool = args[0].connection_pool
    try:
        return pool._turnout_address  # type: ignore[no-any-return]
    except AttributeError:
        pass
    # A pool of Sentinel's: the primary that it found last, which may be another one next time.
    found = getattr(pool, "master_address", None)
    return place(*found) if found else remembered(pool, lambda: _wanted(pool.connection_kwargs))


def _wanted(settings: dict[str, Any]) -> str:
    if "path" in settings:
        return str(settings["path"])
    return place(settings.get("host", "localhost"), settings.get("port", 6379))
