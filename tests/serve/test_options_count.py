"""Every option does what its help says, seen from outside. What the others do is told where their subject is tested."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from harness import serve
from wire import Later, get

APPS = Path(__file__).parents[1] / "projects" / "serve"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split()[1]) if answer else 0


@pytest.mark.parametrize(
    ("options", "sent", "status"),
    [
        (["--keep-alive", "0"], GET, 200),
        (["--keep-alive", "300ms"], GET, 200),
        (["--head-timeout", "300ms"], b"GET", 408),
        (["--max-uri", "64"], GET.replace(b"/ ", b"/?" + b"x" * 100 + b" "), 414),
        (["--max-head", "1KiB"], GET[:-2] + b"A: " + b"x" * 1100 + b"\r\n\r\n", 431),
        (["--max-body", "10"], POST + b"x" * 11, 413),
        (["--body-rate", "1000", "--body-grace", "300ms"], POST + b"x", 408),
    ],
)
def test_a_limit_answers_and_closes(options: list[str], sent: bytes, status: int) -> None:
    with (
        serve(["wsgi_app:app", *options], cwd=APPS) as server,
        socket.create_connection((server.host, server.port), timeout=30) as raw,
    ):
        raw.sendall(sent)
        answer = b""
        # To the end: the server closes.
        while piece := raw.recv(4096):
            answer += piece
        assert status_of(answer) == status


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--half-close"], 200)])
def test_half_close_decides_whether_a_fin_means_gone(options: list[str], status: int) -> None:
    with (
        serve(["wsgi_app:app", *options], cwd=APPS) as server,
        socket.create_connection((server.host, server.port), timeout=30) as raw,
    ):
        raw.sendall(GET.replace(b"/ ", b"/compute?seconds=0.3 "))
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := raw.recv(4096):
            answer += piece
        assert status_of(answer) == status


def test_threads_and_queue_timeout_bound_the_sync_pool() -> None:
    options = ["--threads", "1", "--queue-timeout", "300ms", "--drain", "0"]
    with serve(["wsgi_app:app", *options], cwd=APPS) as server:
        first = Later(get, server.url, "/compute?seconds=2")
        server.wait_for_log("computing")
        start = time.monotonic()
        assert get(server.url).status == 503
        assert time.monotonic() - start < 2
        assert first.result().status == 200


@pytest.mark.parametrize(("options", "seconds"), [([], 0.0029), (["--switch-interval", "off"], 0.005)])
def test_the_switch_interval(options: list[str], seconds: float) -> None:
    with serve(["wsgi_app:app", *options], cwd=APPS) as server:
        assert float(get(server.url, "/switch-interval").text) == pytest.approx(seconds)


@pytest.mark.parametrize(("level", "said"), [("debug", True), ("info", False)])
def test_the_log_level(level: str, said: bool) -> None:
    with serve(["wsgi_app:app", "--log-level", level], cwd=APPS) as server:
        assert ("worker 1 started (pid" in server.log) == said
    with serve(["wsgi_app:app", "--log-level", "error"], cwd=APPS) as server:
        assert server.log == ""
