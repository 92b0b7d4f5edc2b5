"""What calls belong to: a deadline, or the incoming request whose browser may leave."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from turnout._turnout import HttpScope

#: Of the code that runs; what is no `HttpScope` counts as none.
current_scope: ContextVar[Any] = ContextVar("turnout_http_scope", default=None)


class deadline:
    """The calls of this block, all together, may take so many seconds: ``with`` and ``async with``."""

    __slots__ = ("_before", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._before: list[Token[Any]] = []

    def __enter__(self) -> HttpScope:
        scope = HttpScope(self.seconds, _outer())
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
    scope = _outer()
    return scope.remaining() if scope is not None else None


class detached:
    """The calls of this block belong to nothing: they go on when the browser leaves. ``with`` and ``async with``."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: list[Token[Any]] = []

    def __enter__(self) -> None:
        self._before.append(current_scope.set(None))

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


def _outer() -> HttpScope | None:
    scope = current_scope.get()
    return scope if isinstance(scope, HttpScope) else None
