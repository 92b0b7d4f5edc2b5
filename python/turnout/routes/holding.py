"""What would keep a thread while an async view waits, and where Django itself refuses async views."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import NamedTuple

from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, connections, reset_queries

from turnout.routes.facts import ASYNC, Route, Served, name_of

_DJANGOS = (reset_queries, close_old_connections, close_caches, reset_urlconf)
# So many names say which views are meant.
_NAMED = 3


class Finding(NamedTuple):
    """One thing, in the order of how much it costs."""

    #: project, middleware, receiver, views, error.
    kind: str
    what: str
    why: str


def findings(served: Served, routes: list[Route]) -> Iterator[Finding]:
    """All there are."""
    yield from _project(served)
    for path, mode, why in served.described["middleware"]:
        if mode == "thread":
            yield Finding("middleware", path, why)
        elif mode == "hop":
            left = "what its hooks leave on a thread (connections, thread-locals) stays with the request"
            yield Finding("middleware", path, f"{why}: {left}")
    yield from _receivers()
    yield from _views(served, routes)
    yield from _atomic(routes)


def _project(served: Served) -> Iterator[Finding]:
    handler = served.handler
    if served.fixed == ASYNC and (handler is None or handler.compat or handler.overridden):
        yield Finding(
            "project", served.project.label, f"{served.why}, and keeps a thread from the first hook to the end"
        )


def _receivers() -> Iterator[Finding]:
    """Django's own receivers have nothing to do for a request that took no thread."""
    for name in ("request_started", "request_finished"):
        for entry in getattr(signals, name).receivers:
            receiver = entry[1]() if isinstance(entry[1], weakref.ReferenceType) else entry[1]
            if receiver is not None and receiver not in _DJANGOS:
                yield Finding("receiver", name_of(receiver), f"listens to {name}: every request takes a thread for it")


def _views(served: Served, routes: list[Route]) -> Iterator[Finding]:
    misplaced = [route for route in routes if route.track == ASYNC and not route.is_async]
    if misplaced and served.handler is not None:
        why = f"on the async track ({served.why}): a thread for each, beside the event loop's part"
        yield Finding("views", _some("sync view", misplaced), why)
    waiting = [route for route in routes if route.track != ASYNC and route.is_async]
    if waiting:
        why = f"on a thread ({served.why}), which waits with them"
        yield Finding("views", _some("async view", waiting), why)


def _atomic(routes: list[Route]) -> Iterator[Finding]:
    for alias, database in connections.settings.items():
        if not database.get("ATOMIC_REQUESTS"):
            continue
        refused = [
            route
            for route in routes
            if route.is_async and alias not in getattr(route.entry.callback, "_non_atomic_requests", ())
        ]
        if refused:
            why = f"Django raises RuntimeError, for database {alias!r} has ATOMIC_REQUESTS"
            yield Finding(
                "error", _some("async view", refused), f"{why} (transaction.non_atomic_requests is the way out)"
            )


def _some(noun: str, routes: list[Route]) -> str:
    names = list(dict.fromkeys(route.view for route in routes))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} {noun}{'s' if len(names) > 1 else ''}: {', '.join(names[:_NAMED])}{more}"
