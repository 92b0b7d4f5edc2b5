"""An upstream that answers with the bodies it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from turnout import http


class Shelf:
    """Path -> headers and body; what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[dict[str, str], bytes]] = {}
        self.asked: list[dict[str, str]] = []

    def put(self, path: str, body: bytes, **headers: str) -> str:
        self.answers[path] = ({name.replace("_", "-"): value for name, value in headers.items()}, body)
        return path


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def client(shelf: Shelf) -> Iterator[http.Client]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shelf.asked.append({name.lower(): value for name, value in self.headers.items()})
            headers, body = shelf.answers[self.path]
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield http.Client(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
