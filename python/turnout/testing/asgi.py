"""The ASGI specification between a server and an application: HTTP 2.5, lifespan 2.0 and the extensions of both.

Each message is judged before it is passed on. WebSocket scopes are passed on as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from turnout.testing.checks import Message, awaitable, judge_scope, kind_of, no, optional, pairs, required, unrolled

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


def asgi_validator(application: Application) -> Application:
    """Wrap an ASGI 3.0 application: whatever passes between it and its server is held against the specification.

    ASGIViolation is raised into the application, and out of it if it does not catch that.
    """

    async def validated(scope: Any, receive: Receive, send: Send) -> None:
        kind = judge_scope(scope)
        if kind == "websocket":
            await application(scope, receive, send)
        elif kind == "lifespan":
            lifespan = _Lifespan(receive, send)
            await application(scope, lifespan.receive, lifespan.send)
        else:
            exchange = _Exchange(scope, receive, send)
            await application(scope, exchange.receive, exchange.send)
            exchange.returned()

    return validated


class _Exchange:
    """One HTTP request."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._judges: dict[str, Callable[[Message], None]] = {
            "http.response.start": self._start,
            "http.response.body": self._body,
            "http.response.pathsend": self._pathsend,
            "http.response.early_hint": self._early_hint,
            "http.response.trailers": self._trailers,
            "http.response.debug": self._debug,
        }
        self._extensions = {"http.response.start", "http.response.body", *(scope.get("extensions") or ())}
        self._without_content = scope["method"] == "HEAD"
        self._request_ended = self._left = False
        # The next that may come of the response: its start, its body, its trailers, nothing.
        self._due = "start"
        self._has_trailers = self._debugged = False
        self._body_kind: str | None = None
        self._promised: int | None = None
        self._sent = 0

    async def receive(self) -> Any:
        message = await awaitable("server", "receive()", self._receive())
        kind = kind_of("server", message)
        if kind == "http.disconnect":
            self._left = True
        elif kind != "http.request":
            no("server", f"{kind!r} came on an HTTP request")
        elif self._request_ended or self._left:
            no("server", "'http.request' came after the request had ended")
        else:
            optional("server", message, "body", bytes)
            optional("server", message, "more_body", bool)
            self._request_ended = not message.get("more_body", False)
        return message

    async def send(self, message: Any) -> None:
        kind = kind_of("application", message)
        message = unrolled(message)
        if kind not in self._judges:
            no("application", f"{kind!r} was sent on an HTTP request")
        if kind not in self._extensions:
            no("application", f"{kind!r} was sent, and scope['extensions'] does not announce it")
        if self._due == "nothing":
            no("application", f"{kind!r} was sent after the response had ended")
        self._judges[kind](message)
        try:
            result = await awaitable("server", "send()", self._send(message))
        except OSError:
            self._left = True
            raise
        if result is not None:
            no("server", f"send() returned {result!r}, not None")

    def returned(self) -> None:
        if self._due != "nothing" and not self._left:
            no("application", f"it returned while the response still lacks its {self._due}")

    def _start(self, message: Message) -> None:
        if self._due != "start":
            no("application", "'http.response.start' was sent twice")
        status = required("application", message, "status", int)
        if isinstance(status, bool) or not 200 <= status <= 999:
            no("application", f"status {status!r} is not that of a final response")
        headers = pairs("application", message, "headers")
        optional("application", message, "trailers", bool)
        self._has_trailers = message.get("trailers", False)
        if self._has_trailers and "http.response.trailers" not in self._extensions:
            no("application", "it promises trailers, and scope['extensions'] does not announce them")
        lengths = [value for name, value in headers if name == b"content-length"]
        if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]+", length) for length in lengths):
            no("application", f"content-length is not one number: {lengths}")
        self._promised = int(lengths[0]) if lengths else None
        self._without_content = self._without_content or status in (204, 304)
        self._due = "body"

    def _body_like(self, kind: str) -> None:
        if self._due != "body":
            no("application", f"'http.response.{kind}' was sent before 'http.response.start', or after the body's end")
        if self._body_kind not in (None, kind) or (kind == "pathsend" and self._body_kind):
            no("application", "'http.response.pathsend' stands for the whole body, and is sent once")
        self._body_kind = kind

    def _body_ended(self) -> None:
        self._due = "trailers" if self._has_trailers else "nothing"

    def _body(self, message: Message) -> None:
        self._body_like("body")
        optional("application", message, "body", bytes)
        optional("application", message, "more_body", bool)
        self._sent += len(message.get("body", b""))
        more = message.get("more_body", False)
        if not more:
            self._body_ended()
        if self._promised is None or self._without_content:
            return
        if self._sent > self._promised or (not more and self._sent < self._promised):
            no("application", f"content-length says {self._promised} bytes, and the body has {self._sent} so far")

    def _pathsend(self, message: Message) -> None:
        self._body_like("pathsend")
        path = required("application", message, "path", str)
        if not os.path.isabs(path):
            no("application", f"the path of 'http.response.pathsend' is not absolute: {path!r}")
        self._body_ended()

    def _early_hint(self, message: Message) -> None:
        if self._due != "body":
            no("application", "'http.response.early_hint' belongs between 'http.response.start' and the body's end")
        links = required("application", message, "links", Iterable)
        if isinstance(links, (str, bytes)) or not all(isinstance(link, bytes) for link in links):
            no("application", f"'links' must be an iterable of bytes, not {links!r}")

    def _trailers(self, message: Message) -> None:
        if self._due != "trailers":
            no("application", "'http.response.trailers' was not promised, or was sent before the body's end")
        pairs("application", message, "headers")
        optional("application", message, "more_trailers", bool)
        if not message.get("more_trailers", False):
            self._due = "nothing"

    def _debug(self, message: Message) -> None:
        if self._due != "start" or self._debugged:
            no("application", "'http.response.debug' is sent once, before 'http.response.start'")
        required("application", message, "info", dict)
        self._debugged = True


class _Lifespan:
    """The one lifespan of an application."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._asked: list[str] = []
        self._answered: list[str] = []

    async def receive(self) -> Any:
        message = await awaitable("server", "receive()", self._receive())
        kind = kind_of("server", message)
        if [*self._asked, kind] not in (["lifespan.startup"], ["lifespan.startup", "lifespan.shutdown"]):
            no("server", f"{kind!r} came after {self._asked}")
        if len(self._asked) > len(self._answered):
            no("server", f"{kind!r} came before {self._asked[-1]!r} was answered")
        self._asked.append(kind)
        return message

    async def send(self, message: Any) -> None:
        kind = kind_of("application", message)
        asked, _, outcome = kind.rpartition(".")
        if outcome not in ("complete", "failed") or self._asked[len(self._answered) :] != [asked]:
            no("application", f"{kind!r} answers nothing that was asked")
        if outcome == "failed":
            optional("application", message, "message", str)
        self._answered.append(asked)
        await awaitable("server", "send()", self._send(message))
