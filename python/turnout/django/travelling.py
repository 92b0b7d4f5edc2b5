"""What of a request belongs to a thread, taken along when the request goes on on another one.

Its database connections travel, so that an open cursor stays its own; caches that are not for several threads are made
anew. Knows nothing of streams: streaming.py (sync track) and pulling.py (async track) say when.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import connections

from turnout.django import lifecycle
from turnout.django.connections import is_marked


class Luggage:
    """What one request takes along. Used by one thread at a time: the one where the request is."""

    def __init__(self) -> None:
        # What belongs to the request while it is on no thread.
        self._own: dict[str, Any] | None = None
        # What the thread where it is now had before it came.
        self._hosts: dict[str, Any] | None = None

    def leave(self) -> bool:
        """Pack, so that the thread is free. False: the request must stay."""
        if not all(map(_can_travel, connections.all(initialized_only=True))):
            return False
        self._own = _take()
        self.put_back()
        leave_caches()
        return True

    def arrive(self) -> bool:
        """Unpack on this thread; False if there was nothing to do: the request never left, or is here already."""
        own, self._own = self._own, None
        if own is None:
            return False
        self._hosts = _take()
        for alias, connection in own.items():
            # What Django checks when a connection is used.
            connection._thread_ident = threading.get_ident()
            connections[alias] = connection
        return True

    def put_back(self) -> None:
        """The connections that the thread had before the request came; those of the request stay where it had none."""
        hosts, self._hosts = self._hosts, None
        for alias, connection in (hosts or {}).items():
            guest = getattr(connections._connections, alias, None)
            if guest is not None:
                guest.close()
            connections[alias] = connection


def close_on_thread(response: Any) -> None:
    """`response.close()`; a response that has luggage leaves nothing of it behind."""
    luggage = response.__dict__.get("turnout_luggage")
    if luggage is None:
        response.close()
        return
    luggage.arrive()
    try:
        response.close()
    finally:
        lifecycle.settle_thread()
        luggage.put_back()


def leave_caches() -> None:
    """Close the caches that stay on this thread, as the end of a request does: this one ends elsewhere."""
    for alias in _caches_of_this_thread():
        with contextlib.suppress(Exception):
            caches[alias].close()


def forget_caches() -> None:
    """In the Context of a request that came from another thread: the caches of that one are not for this one."""
    for alias in _caches_of_this_thread():
        del caches[alias]


def _caches_of_this_thread() -> list[str]:
    made = caches._connections
    return [
        alias
        for alias, config in settings.CACHES.items()
        if not lifecycle.may_share_cache(config) and hasattr(made, alias)
    ]


def _can_travel(connection: Any) -> bool:
    """Whether a connection may go on to another thread. An open transaction reserves its thread (DESIGN: F2)."""
    if connection.allow_thread_sharing or is_marked(connection):
        return False
    if connection.connection is not None and not connection.get_autocommit():
        return False
    # A database in memory is its connection's own: the thread would miss it.
    return connection.vendor != "sqlite" or not connection.is_in_memory_db()


def _take() -> dict[str, Any]:
    """The connections of this thread, which are gone from it."""
    taken = {connection.alias: connection for connection in connections.all(initialized_only=True)}
    for alias in taken:
        del connections[alias]
    return taken
