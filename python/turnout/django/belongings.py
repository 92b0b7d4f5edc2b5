"""What an async request has on the thread of a hop, and takes along: its database connections and its thread-locals.

`Travelling` is for hop threads, which serve another request as soon as a call has ended. `Resident` is for threads that
a request keeps to its end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import connections

from turnout.django import connections as sharing
from turnout.django import threadlocals
from turnout.django.connections import Store


class Rules(NamedTuple):
    """What may be shared between requests."""

    #: Connections go back after each vetted hop; else when their request is over.
    connections: bool = True
    #: Threads go back after hops of code that nobody vouches for, too; else only after vetted ones.
    threads: bool = True


class Travelling:
    """One request on hop threads."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules
        # On this thread now.
        self._here: dict[str, Any] = {}
        self._present = False
        # With the request, while it is on no thread.
        self._packed: dict[str, Any] = {}
        self._values: threadlocals.Values | None = None
        # The code of the hops so far: whether any was such that what it used stays the request's.
        self._foreign = False
        self._owned: set[str] = set()
        # Every connection it used: what is done once a request was done to these.
        self._seen: list[Any] = []
        # Connections of another thread's, which lets this request use them: a test's own, behind a live server. The
        # other thread may end that at any time, and they stay its own.
        self._lent: list[Any] = []

    def arrive(self, *, foreign: bool) -> None:
        """Unpack."""
        if not self._present:
            self._present = True
            sharing.enter(self._take)
            ident = threading.get_ident()
            for alias, connection in self._packed.items():
                if not connection.allow_thread_sharing and connection not in self._lent:
                    # What Django looks at when a connection is used.
                    connection._thread_ident = ident
                connections[alias] = connection
            self._here, self._packed = self._packed, {}
        if foreign and not self._foreign:
            self._foreign = True
            if self._rules.threads:
                threadlocals.put(None)
        elif self._values is not None:
            threadlocals.put(self._values)
            self._values = None

    def leave(self) -> str:
        """Pack, unless something cannot leave this thread."""
        if self._foreign:
            self._look_again()
        for connection in self._here.values():
            why = "" if connection in self._lent else sharing.why_it_stays(connection)
            if why:
                return why
        if self._foreign and not self._rules.threads:
            return "code that nobody vouches for ran in one of its hops, and such threads are not shared"
        for alias, connection in self._here.items():
            _unbind(alias)
            stays = connection in self._lent or alias in self._owned
            if stays or sharing.is_marked(connection) or sharing.is_a_database(connection):
                self._packed[alias] = connection
            else:
                self._store.give(connection)
        self._go()
        return ""

    def drop(self) -> None:
        """Close and forget what is on this thread."""
        for alias, connection in (*self._here.items(), *self._packed.items()):
            _unbind(alias)
            if connection not in self._lent:
                with contextlib.suppress(Exception):
                    sharing.discard(connection)
        self._packed = {}
        self._go()
        self._values = None

    def owes(self) -> bool:
        """Connections that must be looked at, or values of thread-locals whose end may do something."""
        if self._present or self._packed or any(map(sharing.outlives_no_request, self._seen)):
            return True
        return self._values is not None and not threadlocals.is_plain(self._values)

    def end(self) -> None:
        """Put everything away; on this thread, wherever the request was before."""
        if self._present and self._foreign:
            self._look_again()
        ident = threading.get_ident()
        for alias in self._here:
            _unbind(alias)
        for connection in (*self._here.values(), *self._packed.values()):
            if connection.allow_thread_sharing or connection in self._lent:
                continue
            connection._thread_ident = ident
            if sharing.is_marked(connection) or connection not in self._seen:
                sharing.discard(connection)
            else:
                self._store.finish(connection)
                self._store.give(connection)
        self._packed = {}
        self._store.leave(self._seen)
        self._seen = []
        if self._present:
            self._go()
        self._values = None

    def _go(self) -> None:
        self._here = {}
        self._present = False
        sharing.enter(None)
        if self._foreign and self._rules.threads:
            self._values = threadlocals.take()

    def _take(self, alias: str) -> Any:
        """Django asks for a connection of this thread, where there is none."""
        connection = self._store.take(alias, self._seen) or sharing.make(alias)
        if connection._thread_ident != threading.get_ident():
            self._lent.append(connection)
        elif connection not in self._seen:
            self._seen.append(connection)
            self._store.seen(connection)
        self._here[alias] = connection
        if self._foreign or not self._rules.connections:
            self._owned.add(alias)
        return connection

    def _look_again(self) -> None:
        """After code that may have done anything: what it used is the request's, and so is what it put there."""
        local = connections._connections
        here = {alias: getattr(local, alias, None) for alias in connections.settings}
        self._here = {alias: connection for alias, connection in here.items() if connection is not None}
        ident = threading.get_ident()
        self._lent += [one for one in self._here.values() if one._thread_ident != ident and one not in self._lent]
        self._owned.update(self._here)


class Resident:
    """One request on a thread that it keeps: connections and thread-locals are the thread's, as under WSGI."""

    def __init__(self, prepare: Callable[[], None] | None, settle: Callable[[], None]) -> None:
        self._prepare = prepare
        self._settle = settle

    def arrive(self, *, foreign: bool) -> None:
        """The first time, as request_started would."""
        if self._prepare is not None:
            self._prepare()
            self._prepare = None

    def leave(self) -> str:
        """It stays."""
        return "the thread is the request's to its end"

    def drop(self) -> None:
        """The thread is its own: nobody else is there."""

    def owes(self) -> bool:
        """The thread is to be given back."""
        return True

    def end(self) -> None:
        """Leave nothing of the request on its thread."""
        self._settle()


def _unbind(alias: str) -> None:
    try:
        del connections[alias]
    except AttributeError:
        # The project's code took it away itself.
        pass
