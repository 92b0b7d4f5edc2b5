"""An upstream that does what its paths say, in a thread of its own, and knows who waits and who left."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qsl, urlsplit

SECONDS = 30.0


class Upstream:
    """HTTP/1.1, keep-alive. `/hold...` never answers until `release()`; `/echo` answers with what it got."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._changed = threading.Condition()
        self._released = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.WriteTransport] = set()
        #: Requests so far: method, target, headers, body.
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.holding = 0
        self.ever_held = 0
        #: Clients that left while their request was held.
        self.left = 0
        #: Held requests that were answered.
        self.finished = 0
        self.url = ""

    # --- of the tests

    def wait_until(self, holds: str, value: int) -> None:
        """Until one of the counters has this value."""
        with self._changed:
            reached = self._changed.wait_for(lambda: getattr(self, holds) >= value, SECONDS)
        assert reached, f"{holds} is {getattr(self, holds)}, and not {value}"

    def release(self) -> None:
        """Answer what is held."""
        self._loop.call_soon_threadsafe(self._released.set)

    def hold_again(self) -> None:
        self._loop.call_soon_threadsafe(self._released.clear)

    @contextmanager
    def running(self) -> Iterator[Upstream]:
        ready = threading.Event()
        thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        thread.start()
        assert ready.wait(SECONDS)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()

    # --- of its thread

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        listening = self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(listening)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end(self._server))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _end(self, server: asyncio.Server) -> None:
        """Until nobody is being accepted or answered: whoever loses its connection ends by itself."""
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        while self._transports or len(asyncio.all_tasks()) > 1:
            for transport in self._transports:
                transport.abort()
            await asyncio.sleep(0)
        # Not before: asyncio leaves a connection unclosed that is just being accepted for a server that has closed.
        server.close()

    def opened(self, transport: asyncio.WriteTransport) -> None:
        self._transports.add(transport)

    def closed(self, transport: asyncio.WriteTransport) -> None:
        self._transports.discard(transport)

    def _note(self, **counts: int) -> None:
        with self._changed:
            for name, more in counts.items():
                setattr(self, name, getattr(self, name) + more)
            self._changed.notify_all()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._note(connections=1)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            with suppress(Exception):
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = (await reader.readline()).decode()
        if not line:
            return False
        method, target, _ = line.split()
        headers: dict[str, str] = {}
        while (field := (await reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        body = await self._body(reader, headers)
        with self._changed:
            self.requests.append((method, target, headers, body))
            self._changed.notify_all()
        parts = urlsplit(target)
        asked = dict(parse_qsl(parts.query))
        if parts.path.startswith("/hold"):
            if not await self._hold(reader):
                return False
        elif parts.path == "/pieces":
            await self._pieces(writer, asked)
            return True
        answer = {"method": method, "target": target, "headers": headers, "body": body.decode("latin-1")}
        content = json.dumps(answer).encode()
        kind = "application/json"
        if parts.path == "/text":
            content, kind = (
                asked["text"].encode(asked.get("encoding", "utf-8")),
                f"text/plain; charset={asked['encoding']}",
            )
        status = int(asked.get("status", "200"))
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nX-Twice: a\r\nX-Twice: b\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + (b"" if method == "HEAD" else content))
        await writer.drain()
        if parts.path.startswith("/hold"):
            self._note(finished=1)
        return True

    async def _hold(self, reader: asyncio.StreamReader) -> bool:
        self._note(holding=1, ever_held=1)
        leaving = asyncio.ensure_future(reader.read(1))
        released = asyncio.ensure_future(self._released.wait())
        try:
            await asyncio.wait([leaving, released], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                self._note(holding=-1, left=1)
                return False
            self._note(holding=-1)
            return True
        finally:
            leaving.cancel()
            released.cancel()
            await asyncio.gather(leaving, released, return_exceptions=True)

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return body

    async def _pieces(self, writer: asyncio.StreamWriter, asked: dict[str, str]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(int(asked["count"])):
            piece = f"piece {number}\n".encode()
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


class Connection(asyncio.StreamReaderProtocol):
    """Known to its upstream from its first moment on, before anybody reads from it."""

    def __init__(self, upstream: Upstream) -> None:
        super().__init__(asyncio.StreamReader(), upstream.accept)
        self._upstream = upstream
        self._own: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._own = transport
        self._upstream.opened(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._own is not None:
            self._upstream.closed(self._own)
        super().connection_lost(error)
