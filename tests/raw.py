"""Bytes to a server and back, for what http.client is too polite to send or to show."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SECONDS = 20.0


@dataclass
class Reply:
    """One answer: its first line, its fields (lower-case names), its content."""

    line: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    #: The connection ended with it: by FIN, or by RST, which says that it is not whole.
    ended: bool = False
    reset: bool = False

    @property
    def status(self) -> int:
        return int(self.line.split()[1])

    def __getitem__(self, name: str) -> str | None:
        values = [value for known, value in self.fields if known == name.lower()]
        return ", ".join(values) if values else None


class Wire:
    """One connection, byte for byte."""

    def __init__(self, address: str) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(SECONDS)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            parts = urlsplit(address)
            self.socket = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)
        self._held = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def more(self) -> bytes:
        """What comes next; empty at the end."""
        return self.socket.recv(65536)

    def line(self) -> bytes:
        return self.until(b"\n")

    def until(self, end: bytes) -> bytes:
        """What came up to and with `end`."""
        while end not in self._held:
            more = self.more()
            if not more:
                raise ConnectionResetError(f"ended before {end!r}: {self._held[:100]!r}")
            self._held += more
        before, _, self._held = self._held.partition(end)
        return before + end

    def exactly(self, length: int) -> bytes:
        while len(self._held) < length:
            more = self.more()
            if not more:
                raise ConnectionResetError(f"ended within content: {self._held[:100]!r}")
            self._held += more
        taken, self._held = self._held[:length], self._held[length:]
        return taken

    def chunk(self) -> bytes:
        """One chunk of a chunked answer; empty: the last."""
        size = int(self.line(), 16)
        data = self.exactly(size)
        assert self.line() == b"\r\n"
        return data

    def head(self) -> Reply:
        """The next answer without its content."""
        reply = Reply(self.line().decode("latin-1").rstrip("\r\n"))
        while (line := self.line()) != b"\r\n":
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(":")
            reply.fields.append((name.lower(), value.strip()))
        return reply

    def reply(self, method: str = "GET") -> Reply:
        """The next answer, whole."""
        reply = self.head()
        if method == "HEAD" or reply.status in (204, 304) or reply.status < 200:
            return reply
        if reply["transfer-encoding"] == "chunked":
            while data := self.chunk():
                reply.body += data
        elif reply["content-length"] is not None:
            reply.body = self.exactly(int(reply["content-length"] or 0))
        else:
            reply.body, reply.reset = self.rest()
            reply.ended = True
        return reply

    def rest(self) -> tuple[bytes, bool]:
        """Everything to the end, and whether that was a reset."""
        data, self._held = self._held, b""
        try:
            while more := self.more():
                data += more
        except ConnectionResetError:
            return data, True
        return data, False

    def close(self) -> None:
        self.socket.close()


@contextmanager
def wire(address: str) -> Iterator[Wire]:
    connection = Wire(address)
    try:
        yield connection
    finally:
        connection.close()


def ask(address: str, request: bytes, method: str = "GET") -> Reply:
    """One request on a connection of its own, and its answer."""
    with wire(address) as connection:
        connection.send(request)
        return connection.reply(method)
