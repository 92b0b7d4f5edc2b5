"""A stand-in for the admin socket: serves dashboard/dist as it is, and the JSON of figures.py.

By hand: `python tests/dashboard/mock.py`, which prints where it is.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard import figures, slow_figures

DIST = Path(__file__).resolve().parents[2] / "dashboard" / "dist"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'"
)
TOKEN = "let-me-in"


class Mock(ThreadingHTTPServer):
    """The server, and what a test may change while a page looks."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        #: By index: what is different about a worker.
        self.workers: dict[int, dict[str, Any]] = {0: {}, 1: {}}
        self.views: list[figures.View] = figures.views()
        #: What was found, as it stands at that moment.
        self.findings = slow_figures.findings
        #: Added to a view's row.
        self.changes: dict[str, dict[str, Any]] = {}
        #: Whether a history is kept, when that began, how much longer requests take today than the day before.
        self.history = True
        self.oldest = 0.0
        self.slower = 1.3
        self.unreadable = False
        #: The windows that were compared, in seconds.
        self.compared: list[int] = []
        self.locked = False
        #: What opens a locked server to a program.
        self.bearer = ""
        #: "away" cuts every connection, "full" is a 503, "mute" is a stream that says nothing.
        self.trouble = ""
        #: The windows that streams were asked for, the latest last.
        self.asked: list[int] = []
        #: A fixed time makes pictures that can be compared.
        self.still: float | None = None
        self.step = 1.0
        self.began = time.time() - 11_000
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def time(self) -> float:
        return self.still or time.time()

    def now(self, seconds: int) -> dict[str, Any]:
        at = self.time()
        return {
            "version": 1,
            "time": at,
            "seconds": seconds,
            "server": {
                "started": self.began,
                "workers": len(self.workers),
                "title": "turnout 0.1.0",
                "history": self.history,
            },
            "machine": {
                "cores": 2,
                "load": [1.42, 1.1, 0.9],
                "steal": 0.0,
                "throttled": None,
                "pressure_cpu": 0.12 + 0.04 * ((at / 7) % 1),
            },
            "workers": [figures.worker(index, at, self.began) | more for index, more in self.workers.items()],
            "views": [view.row(at, seconds) | self.changes.get(view.name, {}) for view in self.views],
        }

    def page(self, view: figures.View, seconds: int) -> dict[str, Any]:
        at = self.time()
        page = view.page(at, seconds)
        beside = slow_figures.neighbours(view, self.views, at)
        return {**page, "spots": slow_figures.spots(view, page["totals"]), "neighbours": beside}

    def slow(self, view: str | None) -> dict[str, Any]:
        """The list; the requests stay the same while the page looks."""
        kept = slow_figures.requests(self.views, self.began)
        lines = [
            {
                key: value
                for key, value in one.items()
                if key not in ("parts", "waits", "spans", "dropped", "more_waits")
            }
            for one in kept
            if view in (None, one["view"])
        ]
        return {"version": 1, "time": self.began + 60, "kept": len(lines), "requests": lines}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is closed hangs up: that is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Mock
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self.server.trouble == "away":
            self.close_connection = True
            return
        if path == "/login":
            good = query.get("token") == [TOKEN]
            self.server.locked &= not good
            self.answer(303, b"", "text/plain", Location="/", **({"Set-Cookie": "turnout=1"} if good else {}))
        elif not path.startswith("/api/"):
            self.file(path)
        elif self.server.locked and self.headers["Authorization"] != f"Bearer {self.server.bearer}":
            self.json(401, {"error": "a token is needed", "hint": "log in"})
        elif self.server.trouble == "full":
            self.json(503, {"error": "100 pages are open already", "hint": "close one"})
        elif path == "/api/v1/now":
            self.json(200, self.server.now(int(query.get("seconds", ["60"])[0])))
        elif path == "/api/v1/view":
            name, seconds = query["name"][0], int(query.get("seconds", ["900"])[0])
            found = next((view for view in self.server.views if view.name == name), None)
            if found is None:
                self.json(404, {"error": "no such view", "hint": "see the live table"})
            else:
                self.json(200, self.server.page(found, seconds))
        elif path == "/api/v1/slow":
            self.json(200, self.server.slow(query.get("view", [None])[0]))
        elif path.startswith("/api/v1/slow/"):
            self.slow_request(path.removeprefix("/api/v1/slow/"))
        elif path == "/api/v1/findings":
            at = self.server.time()
            self.json(200, {"version": 1, "time": at, "findings": self.server.findings(at)})
        elif path == "/api/v1/compare":
            self.compare(query["name"][0], int(query["from"][0]), int(query["to"][0]))
        elif path == "/api/v1/stream":
            self.stream(int(query.get("seconds", ["60"])[0]))
        else:
            self.json(404, {"error": "no such path", "hint": ""})

    def compare(self, name: str, start: int, end: int) -> None:
        found = next((view for view in self.server.views if view.name == name), None)
        if not self.server.history:
            self.json(404, {"error": "no history is kept", "hint": "--history PATH"})
            return
        if self.server.unreadable:
            self.json(503, {"error": "the history cannot be read at this moment", "hint": "see the log"})
            return
        self.server.compared.append(end - start)
        step = 60 if end - start <= 7200 else 300 if end - start <= 43200 else 900
        # A view that nobody asked for has no requests.
        view, since = (found, self.server.oldest) if found else (self.server.views[0], 1e12)
        periods = {
            which: figures.period(view, start - before, end - before, step, since, slower)
            for which, before, slower in (("now", 0, self.server.slower), ("then", 86400, 1.0))
        }
        self.json(200, {"name": name, "step": step, "before": 86400, "oldest": int(self.server.oldest), **periods})

    def slow_request(self, rest: str) -> None:
        id, _, trace = rest.partition("/")
        found = next(
            (one for one in slow_figures.requests(self.server.views, self.server.began) if one["id"] == id), None
        )
        if found is None:
            self.json(404, {"error": "no request of that id is kept", "hint": ""})
        elif trace:
            kept = f'attachment; filename="turnout-{id}.json"'
            self.answer(200, b'{"traceEvents": []}', "application/json", **{"Content-Disposition": kept})
        else:
            self.json(200, found)

    def stream(self, seconds: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.server.asked.append(seconds)
        while not self.server.locked and self.server.trouble in ("", "mute"):
            if not self.server.trouble:
                self.wfile.write(f"event: now\ndata: {json.dumps(self.server.now(seconds))}\n\n".encode())
                self.wfile.flush()
            time.sleep(self.server.step)

    def file(self, path: str) -> None:
        file = (DIST / (path.lstrip("/") or "index.html")).resolve()
        if DIST in file.parents and file.is_file():
            self.answer(200, file.read_bytes(), TYPES.get(file.suffix, "application/octet-stream"))
        else:
            self.json(404, {"error": "no such file", "hint": ""})

    def json(self, status: int, value: Any) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json")

    def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    mock = Mock(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    mock.workers[1] = {"state": "blocked", "blocked_for": 2400.0}
    print(mock.url, flush=True)
    threading.Event().wait()
