"""Answers without a network, for tests: `with http.mock() as m: m.get(url).reply(json=...)`.

Below all policies: a mocked answer is retried, hedged, cached and limited as a real one is. Every client of the process
is answered, on every thread, until the block ends. A request that no rule expects fails, and fails the test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from turnout._turnout import HttpTransport
from turnout.http import errors
from turnout.http.errors import HTTPError
from turnout.http.rules import Failure, PassThrough, Reply, Rules, UnexpectedRequest, answer_of


class mock(Rules):
    """Stands in for the network of every client of the process, for a ``with`` or ``async with`` block.

    With `pass_through` requests that no rule expects go to the network; else they fail, and so does the block. It fails
    too if a rule was never met, unless `assert_all_called=False`. A client with a transport of its own is left alone.
    """

    def __init__(self, *, pass_through: bool = False, assert_all_called: bool = True) -> None:
        super().__init__()
        self._passes = pass_through
        self._asserts = assert_all_called
        self._native: HttpTransport | None = None
        # By functions given to `reply_with`, on threads of their own.
        self._raised: list[Exception] = []

    def __enter__(self) -> mock:
        if self._native is not None:
            raise RuntimeError("this http.mock() is already in use: make another")
        native = self._native = HttpTransport()
        threading.Thread(target=self._serve, args=(native.answering(),), name="turnout-http-mock", daemon=True).start()
        native.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        native, self._native = self._native, None
        if native is None:
            return
        native.uninstall()
        native.close()
        if kind is not None and not ((self.unexpected or self._raised) and issubclass(kind, HTTPError)):
            return
        if self._raised:
            raise self._raised[0]
        if self.unexpected:
            raise UnexpectedRequest("\n".join(self.unexpected)) from error
        if self._asserts:
            self.assert_all_called()

    async def __aenter__(self) -> mock:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _serve(self, native: HttpTransport) -> None:
        while (call := native.receive()) is not None:
            ticket, request = call
            step = self.step_for(request)
            if step is None and self._passes:
                self.unexpected.pop()
                step = PassThrough()
            if step is None:
                native.fail(ticket, "LocalProtocol", self.unexpected[-1])
            elif callable(step):
                threading.Thread(target=self._ask, args=(native, ticket, request, step), daemon=True).start()
            else:
                take(native, ticket, step)

    def _ask(self, native: HttpTransport, ticket: int, request: Any, function: Callable[[Any], Any]) -> None:
        try:
            step: Reply | Failure = answer_of(function(request))
        except Exception as error:
            if type(error) in errors.BY_KIND.values():
                step = Failure(type(error), str(error))  # type: ignore[arg-type]
            else:
                self._raised.append(error)
                said = f"reply_with: the function raised {type(error).__name__}: {error}"
                step = Failure(errors.LocalProtocolError, said)
        take(native, ticket, step)


def take(native: HttpTransport, ticket: int, step: Reply | Failure | PassThrough) -> None:
    """Lets the call with this ticket have it."""
    if isinstance(step, Reply):
        content = step.content if isinstance(step.content, bytes) else list(step.content)
        native.reply(ticket, step.status, list(step.headers), content, step.delay)
    elif isinstance(step, Failure):
        message = step.message or f"{step.kind.__name__}, as http.mock() was told"
        native.fail(ticket, step.name, message, step.delay, sent=step.kind in _AFTER_SENDING)
    else:
        native.forward(ticket)


# What can only happen to a request that is on its way.
_AFTER_SENDING = frozenset(
    {
        errors.AttemptTimeout,
        errors.DecodingError,
        errors.JSONDecodeError,
        errors.ReadError,
        errors.ReadTimeout,
        errors.RemoteProtocolError,
        errors.ResponseTooLarge,
        errors.TooManyRedirects,
        errors.WriteError,
        errors.WriteTimeout,
    }
)
