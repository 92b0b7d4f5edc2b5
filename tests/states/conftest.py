"""An upstream that takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest


class Slow(BaseHTTPRequestHandler):
    """Answers after 40 ms. Some paths do so in another way."""

    protocol_version = "HTTP/1.1"
    # Head and body go out as one, unless flushed before.
    wbufsize = -1
    failed: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        time.sleep(0.04)  # what it is there for
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.head(302, 0, Location="/")
        elif path == "/elsewhere":
            self.head(302, 0, Location=f"http://localhost:{self.server.server_address[1]}/")
        elif path == "/fails-at-first" and self.path not in self.failed:
            self.failed.add(self.path)
            self.head(503, 0)
        elif path == "/late":
            self.head(200, 2)
            self.wfile.flush()
            time.sleep(0.04)  # as above
            self.wfile.write(b"ok")
        else:
            self.head(200, 2)
            self.wfile.write(b"ok")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def slow() -> Iterator[str]:
    """Its `host:port`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()
