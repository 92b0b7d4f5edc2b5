"""Plays the part of Rust for tests of the Django side: builds scope or environ, an Exchange, and a sync thread.

It follows the contract of the border and nothing else: bodies are complete before Python is called, the task is
cancelled when the peer leaves, `finish_sync` runs on the thread that ran `serve_sync`.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from turnout._turnout import Sending

ILLEGAL = re.compile(r"[\r\n\0]")


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False
    aborted: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None

    def cookies(self) -> dict[str, str]:
        lines = [value for key, value in self.headers if key == "Set-Cookie"]
        return dict(line.split(";")[0].split("=", 1) for line in lines)


class Exchange:
    """The Rust class's behaviour, in Python."""

    def __init__(self, leave_after: int | None = None) -> None:
        self.answer = Answer()
        self.disconnected = False
        self.incoming = None
        self._leave_after = leave_after
        self._started = False
        self.changed = asyncio.Event()

    def respond(self, status, headers, body, reason=None) -> None:
        self._head(status, headers)
        assert type(body) is bytes
        self.answer.chunks.append(body)
        self.answer.ended = True
        self.changed.set()

    def respond_file(self, status, headers, file, reason=None):
        if type(file) is not io.BufferedReader:
            return None
        self.respond(status, headers, os.pread(file.fileno(), os.fstat(file.fileno()).st_size, file.tell()))
        return asyncio.sleep(0)

    def start(self, status, headers, reason=None) -> None:
        self._head(status, headers)

    def _head(self, status, headers) -> None:
        if not 100 <= status <= 999 or any(ILLEGAL.search(name + value) for name, value in headers):
            raise ValueError("illegal head")
        assert not self._started, "a second answer"
        self._started = True
        self.answer.status, self.answer.headers = status, list(headers)

    def pull(self, source, make_bytes, plain):
        return Sending(source, make_bytes, plain, self)

    async def write(self, chunk) -> None:
        assert type(chunk) is bytes, type(chunk)
        if self.disconnected:
            raise ConnectionResetError
        self.answer.chunks.append(chunk)
        self.changed.set()
        await asyncio.sleep(0)

    def end(self) -> None:
        self.answer.ended = True

    def abort(self) -> None:
        self.answer.aborted = True

    def finish(self) -> None:
        pass


def scope(method="GET", path="/", headers=(), body=b"", query=b"", **more) -> dict[str, Any]:
    lines = [(b"host", b"testserver")]
    lines += [(name.lower().encode(), value.encode("latin1")) for name, value in headers]
    if body:
        lines.append((b"content-length", str(len(body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": lines,
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
        **more,
    }


def environ(method="GET", path="/", headers=(), body=b"", query="") -> dict[str, Any]:
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        made[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    if body:
        made["CONTENT_LENGTH"] = str(len(body))
    return made


class Driver:
    """One worker with one handler: requests on either track, forced or by the handler's own decision."""

    def __init__(self, handler: Any, threads: int = 4) -> None:
        self.handler = handler
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="turnout-sync")
        self._threads = threads

    def close(self) -> None:
        """End the threads as Rust does: each tidies up first."""
        together = threading.Barrier(self._threads)
        list(self.pool.map(lambda _: (together.wait(10), self.handler.end_thread()), range(self._threads)))
        self.pool.shutdown()

    def source(self, **request: Any) -> dict[str, Any]:
        return scope(**request) if self.handler.request_kind == "asgi" else environ(**request)

    async def run_async(self, *, leave=None, **request: Any) -> Answer:
        """On the async track. `leave`: a coroutine function; the peer leaves when it returns."""
        exchange = Exchange()
        source = self.source(**request)
        body = source.get("wsgi.input") or io.BytesIO(request.get("body", b""))
        task = asyncio.ensure_future(self.handler.serve_async(source, body, exchange))
        return await self._until_over(task, exchange, leave)

    def _sync(self, request: dict[str, Any], leave: Any) -> Any:
        source = self.source(**request)
        body = source.get("wsgi.input") or io.BytesIO(request.get("body", b""))
        response = self.handler.serve_sync(source, body)
        status, _, headers, content = self.handler.answer(response)
        answer = Answer(status, headers)
        if content is not None:
            answer.chunks.append(content)
            answer.ended = True
            self.handler.finish_sync(response)
            return answer
        guest = self.handler.begin_stream(response)
        if guest.is_async:
            return self._goes_on(guest, leave)
        answer.chunks += guest
        answer.ended = True
        guest.finish()
        return answer

    def _goes_on(self, guest: Any, leave: Any) -> Any:
        """The rest of an answer whose iterator is async: a coroutine for the loop."""
        guest.leave_for_loop()

        async def rest() -> Answer:
            exchange = Exchange()
            coroutine = self.handler.stream_async(guest.response, exchange)
            task = guest.response.turnout_context.run(asyncio.ensure_future, coroutine)
            return await self._until_over(task, exchange, leave)

        return rest()

    @staticmethod
    async def _until_over(task: asyncio.Task[None], exchange: Exchange, leave: Any) -> Answer:
        if leave is not None:
            await leave(exchange)
            exchange.disconnected = True
            task.cancel()
            await asyncio.wait([task])
        else:
            await task
        return exchange.answer

    async def run_sync(self, *, leave=None, **request: Any) -> Answer:
        """On the sync track. `leave`: as for `run_async`, of a stream that goes on on the loop."""
        answer = await asyncio.get_running_loop().run_in_executor(self.pool, self._sync, request, leave)
        return answer if isinstance(answer, Answer) else await answer

    async def run(self, **request: Any) -> Answer:
        """On the track the handler decides."""
        host = dict(request.get("headers", ())).get("Host", "testserver")
        track, *_ = self.handler.decide(request.get("path", "/"), host)
        return await (self.run_async if track else self.run_sync)(**request)

    async def run_asgi(self, *, leave=None, **request: Any) -> Answer:
        """Through the plain ASGI face."""
        answer = Answer()
        body = request.get("body", b"")
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        inbox.put_nowait({"type": "http.request", "body": body, "more_body": False})

        async def send(message):
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(n.decode(), v.decode("latin1")) for n, v in message.get("headers", ())]
            else:
                answer.chunks.append(message.get("body", b""))
                answer.ended = not message.get("more_body", False)

        task = asyncio.ensure_future(self.handler.asgi_app(scope(**request), inbox.get, send))
        if leave is not None:
            await leave(answer)
            inbox.put_nowait({"type": "http.disconnect"})
        await task
        return answer

    def run_wsgi(self, **request: Any) -> Answer:
        """Through the plain WSGI face, on this thread."""
        answer = Answer()

        def start_response(status, headers, exc_info=None):
            answer.status, answer.headers = int(status.split()[0]), headers

        response = self.handler.wsgi_app(environ(**request), start_response)
        try:
            answer.chunks += response
            answer.ended = True
        finally:
            response.close()
        return answer


async def until(condition: Any) -> None:
    """Wait for what another thread is about to do; a test that waits for ever is ended by its limit of time."""
    while not condition():
        await asyncio.sleep(0.002)
