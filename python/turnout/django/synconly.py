"""Sync-only middleware that was read: told as two hooks, so that no async request waits in it on a thread.

Django calls a middleware without `async_capable` on the request's thread, which waits there until the view has
answered, and everything above it runs there too. Where somebody has read what its `__call__` does before and after it
asks the layer below (`Rule.apart` in hooks/table.py), the chain asks the two halves instead, as it does with the hooks
of a MiddlewareMixin. So it is given to `load_middleware` as a middleware that may be async.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.handlers import base
from django.utils.module_loading import import_string

from turnout.django import hooks

# One chain is made at a time.
_loading = threading.RLock()


@contextmanager
def taken_apart() -> Iterator[None]:
    """While `load_middleware` makes an async chain."""
    with _loading:
        # Somebody may have put a wrapper of every middleware there (Sentry).
        theirs: Callable[[str], Any] = base.import_string
        thread = threading.get_ident()
        loading = True

        def import_string_apart(path: str) -> Any:
            kind = theirs(path)
            return _async_capable(kind, path) if loading and threading.get_ident() == thread else kind

        base.import_string = import_string_apart
        try:
            yield
        finally:
            loading = False
            if base.import_string is import_string_apart:
                base.import_string = theirs


def _async_capable(kind: Any, path: str) -> Any:
    """What makes the middleware: `kind`, or something that says it may be async."""
    known = import_string(path)
    if not isinstance(known, type) or hooks.why_not_apart(known) != "":
        return kind
    if kind is known:
        return _Maker(known)
    if hooks.is_sentrys(kind):
        # Its wrapper asks what it wraps for `__acall__` (asynctrack.py) once it knows that it is async.
        return type(kind.__name__, (kind,), {"async_capable": True, "__module__": kind.__module__})
    return kind


class _Maker:
    """Makes instances that Django takes for coroutine functions; they are never called as such (asynctrack.py)."""

    sync_capable = True
    async_capable = True

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __call__(self, get_response: Any) -> Any:
        middleware = self._kind(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(middleware)
        return middleware
