"""Calls written to a file, and answered from it afterwards: `with http.cassette("rates.json")`.

Stands where a mock stands, below all policies, for every client of the process that has no transport of its own.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Literal

from turnout._turnout import HttpRequest, HttpResponse, HttpTransport
from turnout.http.errors import HTTPError
from turnout.http.mock import take
from turnout.http.rules import UnexpectedRequest
from turnout.http.summaries import without_secrets
from turnout.http.tape import Scrub, Tape


class cassette:
    """For a ``with`` or ``async with`` block. `mode="auto"` replays if the file is there, else records.

    `speed`: 0 answers at once, 1 as slowly as it was. `scrub` takes each interaction as it would be written, and
    returns what may be written of it. The file is written when the block ends well.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["auto", "record", "replay"] = "auto",
        speed: float = 0.0,
        scrub: Scrub | None = None,
    ) -> None:
        self.tape = Tape(path, mode=mode, speed=speed, scrub=scrub)
        self._native: HttpTransport | None = None
        self._thread: threading.Thread | None = None
        self._unexpected: list[str] = []

    def __enter__(self) -> cassette:
        if self._native is not None:
            raise RuntimeError("this http.cassette() is already in use: make another")
        native = self._native = HttpTransport()
        serve = self._replay if self.tape.replays else self._record
        self._thread = threading.Thread(
            target=serve, args=(native.answering(),), name="turnout-http-cassette", daemon=True
        )
        self._thread.start()
        native.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        native, thread, self._native = self._native, self._thread, None
        if native is None or thread is None:
            return
        native.uninstall()
        native.close()
        # What was answered is noted down before it ends.
        thread.join()
        if kind is not None and not (self._unexpected and issubclass(kind, HTTPError)):
            return
        if self._unexpected:
            raise UnexpectedRequest("\n".join(self._unexpected)) from error
        if not self.tape.replays:
            self.tape.save()

    async def __aenter__(self) -> cassette:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _replay(self, native: HttpTransport) -> None:
        while (call := native.receive()) is not None:
            ticket, request = call
            assert isinstance(request, HttpRequest)
            step = self.tape.step_for(request)
            if step is None:
                asked = f"{request.method} {without_secrets(request.url)}"
                said = f"{asked} is not in {self.tape.path}; mode='record' asks anew"
                self._unexpected.append(said)
                native.fail(ticket, "LocalProtocol", said)
            else:
                take(native, ticket, step)

    def _record(self, native: HttpTransport) -> None:
        asked: dict[int, HttpRequest] = {}
        while (call := native.receive()) is not None:
            ticket, what = call
            if isinstance(what, HttpRequest):
                asked[ticket] = what
                native.forward(ticket, tell=True)
            elif isinstance(what, HttpResponse):
                self.tape.record(asked.pop(ticket), what.elapsed, what)
            else:
                seconds = what.timings.total if what.timings is not None else 0.0
                self.tape.record(asked.pop(ticket), seconds, error=what)
