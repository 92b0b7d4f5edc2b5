"""Small HTTP calls over TCP or a Unix socket, as http.client makes them."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Client(http.client.HTTPConnection):
    """A connection to an address as the server prints it."""

    def __init__(self, address: str, seconds: float = SECONDS) -> None:
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else None
        parts = urlsplit(address)
        super().__init__(parts.hostname or "localhost", parts.port, timeout=seconds)

    def connect(self) -> None:
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def call(self, path: str = "/", method: str = "GET", **more: Any) -> Answer:
        """One request on this connection."""
        self.request(method, path, **more)
        response = self.getresponse()
        return Answer(response.status, response.headers, response.read())


def get(address: str, path: str = "/", **more: Any) -> Answer:
    """One request on a connection of its own."""
    client = Client(address)
    try:
        return client.call(path, **more)
    finally:
        client.close()


@contextmanager
def connection_to(address: str, pid: int) -> Iterator[Client]:
    """A connection that this worker accepted, of an app that answers ``/`` with its process id."""
    for _ in range(1000):
        with closing(Client(address)) as client:
            if client.call("/").text == str(pid):
                yield client
                return
    raise AssertionError(f"worker {pid} never accepted a connection")


class Later:
    """A call made on a thread of its own; `result` waits for it, or raises what it raised."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._outcome: list[tuple[bool, Any]] = []
        self._thread = threading.Thread(target=self._run, args=(function, *args), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            self._outcome.append((True, function(*args)))
        except BaseException as error:
            self._outcome.append((False, error))

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self, seconds: float = SECONDS) -> Any:
        self._thread.join(seconds)
        assert self._outcome, f"no answer within {seconds} s"
        well, value = self._outcome[0]
        if well:
            return value
        raise value
