"""Keeps the project's entry modules from making middleware that nobody will use.

`get_asgi_application()` makes an instance of every middleware at import. turnout makes its own chains, one a track and
only where needed, so a handler made meanwhile loads its middleware when it is first called, which is usually never.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.handlers.base import BaseHandler

_deferring = 0
_made: weakref.WeakSet[Any] = weakref.WeakSet()


def made() -> list[Any]:
    """The handlers that were made meanwhile and are still there."""
    return list(_made)


@contextmanager
def middleware_deferred() -> Iterator[None]:
    """While the project's entry module is imported."""
    global _deferring
    shipped = BaseHandler.load_middleware

    def load_middleware(self: Any, is_async: bool = False) -> None:
        # Somebody may wrap this function for good, so it stays right after the import too.
        if _deferring:
            _made.add(self)
            self._middleware_chain = _on_demand(self, is_async)
        else:
            shipped(self, is_async=is_async)

    BaseHandler.load_middleware = load_middleware
    _deferring += 1
    try:
        yield
    finally:
        _deferring -= 1
        if BaseHandler.load_middleware is load_middleware:
            BaseHandler.load_middleware = shipped


def _on_demand(handler: Any, is_async: bool) -> Any:
    def load(request: Any) -> Any:
        handler.load_middleware(is_async=is_async)
        return handler._middleware_chain(request)

    return load
