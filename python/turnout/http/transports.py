"""Applications in place of the network: `Client(transport=WSGITransport(app))` calls them in this process.

Below all policies, as the network is. What an application raises is logged, and answered with 500 as a server would.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

from turnout._turnout import HttpRequest, HttpTransport
from turnout.lifespan import Lifespan

logger = logging.getLogger("turnout.http")

# How soon an application that only waits learns that nobody waits for it any more.
_GIVEN_UP_SECONDS = 0.05
# For an application's shutdown.
_END_SECONDS = 5.0
_PORTS = {"http": "80", "https": "443"}
_FAILED = b"Internal Server Error"

Fields: TypeAlias = "list[tuple[str, str]]"


class _Transport:
    """A queue of calls and the thread that takes them out of it, made for the first call, and anew after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._native: HttpTransport | None = None
        self._pid = 0

    @property
    def native(self) -> HttpTransport:
        """What a client is given."""
        with self._lock:
            if self._native is None or self._pid != os.getpid():
                self._native = HttpTransport()
                self._pid = os.getpid()
                # With the original gone from here and from all clients, the threads end.
                self._serve(self._native.answering())
            return self._native

    def close(self) -> None:
        """Calls under way fail, as do those that come."""
        with self._lock:
            if self._native is not None and self._pid == os.getpid():
                self._native.close()

    def _serve(self, native: HttpTransport) -> None:
        raise NotImplementedError


class WSGITransport(_Transport):
    """A WSGI application. Each call has a thread, `threads` at once; its answer is passed on as it is made."""

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        *,
        script_name: str = "",
        remote_addr: str = "127.0.0.1",
        threads: int = 16,
    ) -> None:
        super().__init__()
        self._application = application
        self._environ = {"SCRIPT_NAME": script_name, "REMOTE_ADDR": remote_addr}
        self._threads = threads

    def _serve(self, native: HttpTransport) -> None:
        application, environ, threads = self._application, self._environ, self._threads

        def take() -> None:
            with ThreadPoolExecutor(threads, thread_name_prefix="turnout-http-wsgi") as pool:
                while (call := native.receive()) is not None:
                    pool.submit(_WSGICall(native, call[0]).run, application, _environ_of(call[1], environ))

        threading.Thread(target=take, name="turnout-http-wsgi", daemon=True).start()


class _WSGICall:
    """One call on its thread: what `start_response` said, and what has been passed on of the body."""

    def __init__(self, native: HttpTransport, ticket: int) -> None:
        self._native = native
        self._ticket = ticket
        self._head: tuple[int, Fields] | None = None
        self._begun = False

    def run(self, application: Any, environ: dict[str, Any]) -> None:
        try:
            self._answer(application, environ)
        except BaseException:
            logger.exception("the application behind WSGITransport failed on %s", environ["PATH_INFO"])
            if self._begun:
                self._native.fail(self._ticket, "Read", "the application failed before its answer was whole")
            else:
                self._native.reply(self._ticket, 500, [("content-type", "text/plain")], _FAILED)

    def _answer(self, application: Any, environ: dict[str, Any]) -> None:
        body = application(environ, self._start_response)
        try:
            if isinstance(body, (list, tuple)) and not self._begun:
                status, headers = self._started()
                self._native.reply(self._ticket, status, headers, b"".join(body))
                return
            for piece in body:
                if not self._write(piece):
                    return
            self._begin()
            self._native.end(self._ticket)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _start_response(self, status: str, headers: Fields, exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._head is not None:
            raise RuntimeError("start_response was called twice without exc_info")
        self._head = (int(status[:3]), list(headers))
        return lambda piece: void(self._write(piece))

    def _started(self) -> tuple[int, Fields]:
        if self._head is None:
            raise RuntimeError("the application returned before it called start_response")
        return self._head

    def _begin(self) -> bool:
        if not self._begun:
            status, headers = self._started()
            self._begun = True
            return self._native.begin(self._ticket, status, headers)
        return True

    def _write(self, piece: bytes) -> bool:
        if not piece:
            return True
        return self._begin() and self._native.write(self._ticket, piece) is True


def void(_value: object) -> None:
    """What `write()` of PEP 3333 returns."""


def _environ_of(request: HttpRequest, more: dict[str, str]) -> dict[str, Any]:
    parts = urlsplit(request.url)
    body = request.content or b""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote_to_bytes(parts.path or "/").decode("latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or _PORTS[parts.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "HTTP_HOST": parts.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }
    path, root = environ["PATH_INFO"], more["SCRIPT_NAME"]
    if root and (path == root or path.startswith(f"{root}/")):
        environ["PATH_INFO"] = path[len(root) :]
    for name in request.headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = request.headers[name]
    return environ


class ASGITransport(_Transport):
    """An ASGI application, on an event loop of its own in a thread of its own.

    Its lifespan starts with the first call and ends with `close()`; an application without one is served all the same,
    and `lifespan=False` does not ask.
    """

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        *,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 0),
        lifespan: bool = True,
    ) -> None:
        super().__init__()
        self._application = application
        self._scope = {"root_path": root_path, "client": list(client)}
        self._lifespan = lifespan
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ASGITransport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Calls under way are cancelled, then the application shuts down."""
        super().close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_END_SECONDS)

    def _serve(self, native: HttpTransport) -> None:
        serving = _ASGIServing(native, self._application, self._scope, self._lifespan)
        self._thread = threading.Thread(target=serving.run, name="turnout-http-asgi", daemon=True)
        self._thread.start()


class _ASGIServing:
    """The loop's thread: one task a call."""

    def __init__(self, native: HttpTransport, application: Any, scope: dict[str, Any], lifespan: bool) -> None:
        self._native = native
        self._application = application
        self._scope = scope
        self._wants_lifespan = lifespan
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        lifespan = Lifespan(self._application) if self._wants_lifespan else None
        state: dict[str, Any] | None = None
        if lifespan is not None:
            try:
                await lifespan.startup()
            except Exception:
                logger.exception("the application behind ASGITransport does not start")
                self._native.close()
                return
            state = lifespan.state

        def take() -> None:
            while (call := self._native.receive()) is not None:
                loop.call_soon_threadsafe(self._start, *call, state)
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=take, name="turnout-http-asgi-calls", daemon=True).start()
        await ended.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if lifespan is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(lifespan.shutdown(), _END_SECONDS)

    def _start(self, ticket: int, request: HttpRequest, state: dict[str, Any] | None) -> None:
        scope = _scope_of(request, self._scope)
        if state is not None:
            scope["state"] = state.copy()
        cycle = _ASGICall(self._native, ticket, bytes(request.content or b""))
        task = asyncio.ensure_future(cycle.run(self._application, scope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _ASGICall:
    """One call: the request's one body event, and the answer's events on their way."""

    def __init__(self, native: HttpTransport, ticket: int, body: bytes) -> None:
        self._native = native
        self._ticket = ticket
        self._body: bytes | None = body
        self._head: tuple[int, Fields] | None = None
        self._begun = False
        self._ended = asyncio.Event()

    async def run(self, application: Any, scope: dict[str, Any]) -> None:
        try:
            await application(scope, self._receive, self._send)
            if not self._ended.is_set():
                raise RuntimeError("the application returned before its answer was whole")
        except asyncio.CancelledError:
            self._native.fail(self._ticket, "Connect", "the transport was closed")
            raise
        except BaseException:
            if self._ended.is_set():
                logger.exception("the application behind ASGITransport failed after its answer to %s", scope["path"])
                return
            logger.exception("the application behind ASGITransport failed on %s", scope["path"])
            if self._begun:
                self._native.fail(self._ticket, "Read", "the application failed before its answer was whole")
            else:
                self._native.reply(self._ticket, 500, [("content-type", "text/plain")], _FAILED)

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not self._ended.is_set() and not self._native.is_given_up(self._ticket):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _GIVEN_UP_SECONDS)
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self._ended.is_set():
            return
        if message["type"] == "http.response.start":
            if self._head is not None:
                raise RuntimeError("http.response.start was sent twice")
            headers = [(bytes(n).decode("latin-1"), bytes(v).decode("latin-1")) for n, v in message.get("headers", ())]
            self._head = (message["status"], headers)
            return
        if message["type"] != "http.response.body":
            raise ValueError(f"{message['type']} is no message of this scope")
        if self._head is None:
            raise RuntimeError("http.response.body was sent before http.response.start")
        await self._send_body(bytes(message.get("body", b"")), bool(message.get("more_body", False)), self._head)

    async def _send_body(self, piece: bytes, more: bool, head: tuple[int, Fields]) -> None:
        if not self._begun:
            if not more:
                self._ended.set()
                self._native.reply(self._ticket, *head, piece)
                return
            self._begun = True
            if not self._native.begin(self._ticket, *head):
                self._ended.set()
                return
        if not await self._put(lambda block: self._native.write(self._ticket, piece, block)):
            self._ended.set()
        elif not more:
            self._ended.set()
            await self._put(lambda block: self._native.end(self._ticket, block))

    async def _put(self, put: Callable[[bool], bool | None]) -> bool:
        taken = put(False)
        if taken is None:
            # Its reader is slower: whoever waits for it is a thread, and not this loop.
            taken = await asyncio.get_running_loop().run_in_executor(None, put, True)
        return bool(taken)


def _scope_of(request: HttpRequest, more: dict[str, Any]) -> dict[str, Any]:
    parts = urlsplit(request.url)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.multi_items()]
    if request.content:
        headers.append((b"content-length", str(len(request.content)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": unquote_to_bytes(parts.path or "/").decode("utf-8", "replace"),
        "raw_path": (parts.path or "/").encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "headers": [(b"host", parts.netloc.encode("ascii")), *headers],
        "server": [parts.hostname, parts.port or int(_PORTS[parts.scheme])],
        **more,
    }
