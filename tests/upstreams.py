"""An upstream that takes its time: shared by tests and by the reference project."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def slow_upstream(seconds: float) -> Iterator[str]:
    """Answers after so long, and says when, by the clock that all processes share."""

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body together: a second packet would wait for the first one's acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            time.sleep(seconds)  # what it is there for
            body = json.dumps({"at": time.monotonic()}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Slow) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            serving.join()
