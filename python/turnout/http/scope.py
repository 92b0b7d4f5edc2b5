"""What calls belong to: a deadline, or the incoming request whose browser may leave."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Any

from turnout._turnout import HttpScope
from turnout.incoming import current_scope


class deadline:
    """The calls of this block, all together, may take so many seconds: ``with`` and ``async with``."""

    __slots__ = ("_before", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._before: list[Token[Any]] = []

    def __enter__(self) -> HttpScope:
        scope = HttpScope(self.seconds, current_scope.get())
        self._before.append(current_scope.set(scope))
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current_scope.reset(self._before.pop())

    async def __aenter__(self) -> HttpScope:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def current_deadline() -> float | None:
    """Seconds that are left to the calls of this code; below zero once it is over, None where nothing limits them."""
    scope = current_scope.get()
    remaining: float | None = scope.remaining() if scope is not None else None
    return remaining


class detached:
    """The calls of this block belong to nothing: they go on when the browser leaves. ``with`` and ``async with``."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: list[Token[Any]] = []

    def __enter__(self) -> None:
        outer = current_scope.get()
        self._before.append(current_scope.set(None if outer is None else HttpScope.detached(outer)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current_scope.reset(self._before.pop())

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


# The settings it was read from, and what they said: it is asked for by every request that makes a call.
_read: tuple[Any, float | None] = (None, None)


def request_deadline() -> float | None:
    """`TURNOUT["REQUEST_DEADLINE"]`: how many seconds a request may take that makes calls; None: any."""
    global _read
    configuration = sys.modules.get("django.conf")
    if configuration is None or not configuration.settings.configured:
        return None
    # Another object where a test overrides settings.
    settings = configuration.settings._wrapped
    known, seconds = _read
    if known is not settings:
        seconds = _deadline_of(configuration.settings)
        _read = (settings, seconds)
    return seconds


def _deadline_of(settings: Any) -> float | None:
    given = getattr(settings, "TURNOUT", None)
    seconds = given.get("REQUEST_DEADLINE") if isinstance(given, Mapping) else None
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        from django.core.exceptions import ImproperlyConfigured

        raise ImproperlyConfigured(f'TURNOUT["REQUEST_DEADLINE"] must be a number of seconds, and is {seconds!r}')
    return float(seconds)
