"""How long requests wait for their database: each query is timed, where requests have accounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from turnout.incoming import current_scope

#: Whether connections that are made from now on are timed.
timed = False


class QueryClock:
    """An execute wrapper of Django's. Leaves nothing behind, so it does not mark the connection it is on."""

    __slots__ = ("_address",)

    def __init__(self, connection: Any) -> None:
        self._address = address_of(connection)

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Run the query."""
        scope = current_scope.get()
        if scope is None:
            return execute(sql, params, many, context)
        return scope.time_call("db", self._address, execute, (sql, params, many, context))


def watch(connection: Any) -> None:
    """Time the queries of a connection that was just made."""
    if timed:
        connection.execute_wrappers.append(QueryClock(connection))


def foreign(wrappers: list[Any]) -> bool:
    """Whether any of them is somebody else's."""
    return any(type(wrapper) is not QueryClock for wrapper in wrappers)


def address_of(connection: Any) -> str:
    """Where a database is: `host:port`, a socket's folder, or a file's name."""
    where = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite {PurePath(str(where['NAME'])).name}"
    host = str(where.get("HOST") or "localhost")
    port = str(where.get("PORT") or "")
    return f"{host}:{port}" if port else host
