"""psycopg 3: what a connection sends and waits for is one wait: a statement, the end of a transaction, part of a copy.

Under Django a statement is timed as a whole by Django's own wrapper (turnout.django.queries). What is seen here is what
goes past that: connections, the ends of transactions, and the rows of cursors on the server.
"""

from __future__ import annotations

from typing import Any

from turnout.watching.clock import (
    UNKNOWN,
    place,
    put_in,
    remembered,
    timed,
    timed_async,
    timed_queue,
    timed_queue_async,
)

KIND = "db"


def watch(module: Any) -> None:
    """`psycopg`."""
    put_in(module.Connection, "wait", timed, KIND, _of_connection, _is_sent)
    put_in(module.AsyncConnection, "wait", timed_async, KIND, _of_connection, _is_sent)
    put_in(module.waiting, "wait_conn", timed, KIND, _of_attempt)
    put_in(module.waiting, "wait_conn_async", timed_async, KIND, _of_attempt)


def watch_pool(module: Any) -> None:
    """`psycopg_pool`."""
    how = (KIND, _of_pool, _is_empty, _is_full, _made)
    put_in(module.ConnectionPool, "getconn", timed_queue, *how)
    put_in(module.AsyncConnectionPool, "getconn", timed_queue_async, *how)


def _is_sent(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Some of what a connection is told is for later, and some of it has nothing to do."""
    name = (args[1] if len(args) > 1 else kwargs["gen"]).__name__
    if name.startswith("_set_"):
        return False
    # libpq's PQTRANS_IDLE.
    return name not in ("_commit_gen", "_rollback_gen") or args[0].pgconn.transaction_status != 0


def _of_connection(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    try:
        return args[0]._turnout_address  # type: ignore[no-any-return]
    except AttributeError:
        return _address(args[0])


def _address(connection: Any) -> str:
    return remembered(connection, lambda: _of_server(connection.info.host, connection.info.port))


def _of_server(host: str, port: Any) -> str:
    # The folder of a Unix socket, or the first character of an abstract one.
    return host if host.startswith(("/", "@")) else place(host or "localhost", port)


def _of_attempt(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    """A connection that is being made. If that failed, its error knows what was tried; a time-out does not."""
    if result is not None:
        return _address(result)
    tried = getattr(error, "pgconn", None)
    return UNKNOWN if tried is None else _of_server(tried.host.decode(), tried.port.decode())


def _is_empty(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return not args[0]._pool


def _is_full(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """A pool that may still grow does so, and who waits for that waits for the server."""
    pool = args[0]
    return bool(pool._nconns >= pool.max_size > 0)


def _made(connection: Any) -> float:
    return float(connection._created_at)


def _of_pool(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    if result is not None:
        return _address(result)
    pool = args[0]
    if not isinstance(pool.conninfo, str) or not isinstance(pool.kwargs, dict):
        return UNKNOWN
    from psycopg.conninfo import conninfo_to_dict

    return _of_settings(conninfo_to_dict(pool.conninfo, **pool.kwargs))


def _of_settings(settings: dict[str, Any]) -> str:
    return _of_server(str(settings.get("host") or settings.get("hostaddr") or ""), settings.get("port") or 5432)
