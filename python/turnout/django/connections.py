"""Open database connections that no request needs at this moment, shared by all requests on the loop.

A request owns a connection while it needs it. After a hop of vetted code that leaves it in autocommit, with nothing of
the request's on it, it goes into the store, from where the next hop of any request takes it; what code that nobody
vouches for has used stays with its request to the end (belongings.py). So there are no more connections than hops at
once. Django's settings keep their meaning: CONN_MAX_AGE counts from the opening, and 0 means until the last request
that used the connection is over; CONN_HEALTH_CHECKS looks once a request.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from turnout.django import queries

log = logging.getLogger("turnout.django")


class Store:
    """Idle connections by alias, each a DatabaseWrapper as Django made it. What was used last is taken first."""

    def __init__(self, most: Callable[[], int]) -> None:
        # Called for the number of connections of one alias that may lie here, open or not: that of threads.
        self._most = most
        self._lock = threading.Lock()
        self._idle: dict[str, list[Any]] = {}
        os.register_at_fork(after_in_child=self._forget)

    def take(self, alias: str, seen: list[Any]) -> Any:
        """A connection for a request that has `seen` some before; None if there is none. It is this thread's now."""
        with self._lock:
            idle = self._idle.get(alias)
            if not idle:
                return None
            connection = next((known for known in reversed(idle) if known in seen), idle[-1])
            idle.remove(connection)
        connection._thread_ident = threading.get_ident()
        if connection.settings_dict is not connections.settings.get(alias):
            # The settings of the database were replaced, as tests do.
            connection.close()
            return None
        if connection not in seen:
            _begin(connection)
        return connection

    def seen(self, connection: Any) -> None:
        """A request uses a connection for the first time."""
        connection.turnout_requests = getattr(connection, "turnout_requests", 0) + outlives_no_request(connection)

    def give(self, connection: Any) -> None:
        """A connection comes back, on the thread where it is, with nothing of its last request on it."""
        if connection.errors_occurred:
            # Looks whether it still works.
            connection.close_if_unusable_or_obsolete()
        if connection.settings_dict["OPTIONS"].get("pool"):
            # The driver's own pool keeps it: others may wait for it there.
            _close(connection)
        surplus = None
        with self._lock:
            idle = self._idle.setdefault(connection.alias, [])
            if connection.connection is None:
                # It keeps what it knows about its server, and is taken when no open one is left.
                idle.insert(0, connection)
            else:
                idle.append(connection)
            if len(idle) > self._most():
                surplus = idle.pop(0)
        if surplus is not None:
            _close(surplus)

    def finish(self, connection: Any) -> None:
        """A request that had a connection to itself is over: what request_finished does to it."""
        if not outlives_no_request(connection) or connection.turnout_requests <= 1:
            connection.close_if_unusable_or_obsolete()

    def leave(self, seen: list[Any]) -> None:
        """A request is over: what it was the last to use, and is not to outlive it, closes now, on this thread."""
        for connection in seen:
            if not outlives_no_request(connection):
                continue
            with self._lock:
                connection.turnout_requests -= 1
                idle = self._idle.get(connection.alias, [])
                if connection.turnout_requests or connection.connection is None or connection not in idle:
                    continue
                idle.remove(connection)
            _close(connection)
            self.give(connection)

    def trim(self) -> None:
        """Close connections beyond what may lie here, those unused for longest first. On a thread."""
        surplus = []
        with self._lock:
            for idle in self._idle.values():
                while len(idle) > self._most():
                    surplus.append(idle.pop(0))
        for connection in surplus:
            _close(connection)

    def idle(self) -> int:
        """How many open connections lie here."""
        with self._lock:
            return sum(connection.connection is not None for idle in self._idle.values() for connection in idle)

    def _forget(self) -> None:
        # A child must not use, and not say goodbye on, the sockets of its parent.
        self._lock = threading.Lock()
        self._idle = {}


def _begin(connection: Any) -> None:
    """What request_started does to a connection, for a request that comes to it only now."""
    connection.queries_log.clear()
    if outlives_no_request(connection) and connection.turnout_requests:
        # Of age since it was opened, but requests in flight have used it and may again.
        connection.health_check_done = False
    else:
        connection.close_if_unusable_or_obsolete()


def _close(connection: Any) -> None:
    connection._thread_ident = threading.get_ident()
    try:
        connection.close()
    except Exception:
        log.exception("The connection to the database %r could not be closed", connection.alias)
        connection.connection = None


def outlives_no_request(connection: Any) -> bool:
    """CONN_MAX_AGE is 0: it closes with the last request that uses it."""
    return connection.settings_dict["CONN_MAX_AGE"] == 0


def why_it_stays(connection: Any) -> str:
    """What binds a connection, and with it its request, to the thread; empty where nothing does."""
    if connection.allow_thread_sharing:
        return ""
    if connection.in_atomic_block:
        return f"a transaction on the database {connection.alias!r} stays open between its hops"
    if connection.connection is not None and not connection.autocommit:
        return f"autocommit is off on the database {connection.alias!r}"
    return ""


def is_marked(connection: Any) -> bool:
    """Whether a request has left something on its connection that no other one may meet."""
    return bool(connection.in_atomic_block or connection.run_on_commit or queries.foreign(connection.execute_wrappers))


def discard(connection: Any) -> None:
    """Close a connection that a request left in the middle of something, whatever that was."""
    # close() inside an atomic block only marks the wrapper, so the next request would inherit the block.
    connection.run_on_commit = []
    connection.savepoint_ids = []
    connection.in_atomic_block = False
    connection.close()


def is_a_database(connection: Any) -> bool:
    """Whether the database is in the memory of this connection, so that another one sees another database."""
    if connection.vendor != "sqlite" or not connection.is_in_memory_db():
        return False
    return "cache=shared" not in str(connection.settings_dict["NAME"])


_here = threading.local()


def install() -> None:
    """From now on a hop that asks for a connection gets it through the belongings of its request."""
    if "create_connection" in connections.__dict__:
        return

    def create_connection(alias: str) -> Any:
        take: Callable[[str], Any] | None = getattr(_here, "take", None)
        return make(alias) if take is None else take(alias)

    # On the one object, not on its class: other handlers of connections are not ours.
    connections.create_connection = create_connection  # type: ignore[method-assign]


def make(alias: str) -> Any:
    """A connection of Django's, as always."""
    connection = type(connections).create_connection(connections, alias)
    queries.watch(connection)
    return connection


def enter(take: Callable[[str], Any] | None) -> None:
    """On this thread, `take` gives connections from now on; None: Django does."""
    _here.take = take
