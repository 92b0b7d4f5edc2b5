"""asyncpg: a statement is one wait, with its preparing; so is a connection, or the wait for one of a pool."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from turnout.watching.clock import UNKNOWN, place, put_in, timed_async, timed_queue_async

KIND = "db"

OF_CONNECTION = (
    "copy_from_query copy_from_table copy_records_to_table copy_to_table execute executemany fetch fetchmany fetchrow "
    "fetchval prepare"
)
OF_STATEMENT = "executemany fetch fetchmany fetchrow fetchval"
OF_CURSOR = "_init fetch fetchrow forward"


def watch(module: Any) -> None:
    """`asyncpg`."""
    for name in OF_CONNECTION.split():
        put_in(module.connection.Connection, name, timed_async, KIND, _of_connection)
    for name in OF_STATEMENT.split():
        put_in(module.prepared_stmt.PreparedStatement, name, timed_async, KIND, _of_part)
    for name in OF_CURSOR.split():
        put_in(module.cursor.Cursor, name, timed_async, KIND, _of_part)
    put_in(module.cursor.CursorIterator, "__anext__", timed_async, KIND, _of_part, _has_no_row)
    put_in(module.connect_utils, "_connect", timed_async, KIND, _of_attempt)
    # What may still be connected is in the pool's queue too: where that is empty, all are in use.
    put_in(module.pool.Pool, "_acquire", timed_queue_async, KIND, _of_pool, _is_empty, _is_empty)


def _of_connection(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    return _address(args[0]._addr)


def _of_part(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    return _address(args[0]._connection._addr)


def _address(found: Any) -> str:
    """A Unix socket has a path."""
    return found if isinstance(found, str) else _place(found[0], found[1])


_place = lru_cache(maxsize=1000)(place)


def _of_attempt(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    return _wanted(kwargs) if result is None else _address(result._addr)


def _wanted(settings: dict[str, Any]) -> str:
    """What was tried, where that was said in plain words."""
    host = settings.get("host")
    if not isinstance(host, str):
        return UNKNOWN
    return host if host.startswith("/") else place(host, settings.get("port") or 5432)


def _has_no_row(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return not (args[0]._buffer or args[0]._exhausted)


def _is_empty(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(args[0]._queue.empty())


def _of_pool(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    return _wanted(args[0]._connect_kwargs) if result is None else _address(result._con._addr)
