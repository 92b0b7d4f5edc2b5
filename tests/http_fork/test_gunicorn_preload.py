"""gunicorn --preload for real: a client that was made, and used, before the fork serves every worker after it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

WORKERS = 3
PATIENCE = 40

SITE = """
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="of no use", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, TURNOUT={"HTTP": {}}
)

from turnout import http

UPSTREAM = os.environ["UPSTREAM"]
client = http.Client(UPSTREAM)
# The parent has threads and connections of the client's when it forks.
PARENT = os.getpid()
BEFORE = [client.get("/?ms=1").json(), *http.client.gather([http.Request("GET", f"{UPSTREAM}/?ms=2")] * 4).ok.values()]


def view(request):
    ours = client.get("/?ms=30").json()
    ready_made = http.client.get(f"{UPSTREAM}/?ms=1").json()
    found = client.gather([http.Request("GET", f"{UPSTREAM}/?ms={3 + number}") for number in range(5)], deadline=20)
    found.raise_for_errors()
    answers = [ours, ready_made, *found.ok.values()]
    return JsonResponse({"pid": os.getpid(), "parent": PARENT, "before": BEFORE, "answers": answers})


urlpatterns = [path("", view)]
application = get_wsgi_application()
"""


@pytest.fixture
def server(tmp_path: Path, upstream: str) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """A gunicorn with the site preloaded; connections wait in its socket until it accepts."""
    (tmp_path / "site_to_fork.py").write_text(SITE)
    log = tmp_path / "log"
    with socket.socket() as listener, log.open("wb") as output:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        argv = ["gunicorn", "site_to_fork:application", "--preload", "--workers", str(WORKERS)]
        process = subprocess.Popen(
            [sys.executable, "-m", *argv, "--bind", f"fd://{listener.fileno()}", "--graceful-timeout", "10"],
            cwd=tmp_path,
            env={**os.environ, "UPSTREAM": upstream},
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process, port, log
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(port: int) -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
        return json.load(answer)


def test_every_worker_calls_with_what_was_made_before_the_fork(
    server: tuple[subprocess.Popen[bytes], int, Path],
) -> None:
    process, port, log = server
    seen: dict[int, dict] = {}
    with ThreadPoolExecutor(2 * WORKERS) as pool:
        # A worker takes one request at a time: with more at once than workers, each gets some.
        while len(seen) < WORKERS:
            for answer in pool.map(ask, [port] * 2 * WORKERS):
                seen[answer["pid"]] = answer
    for answer in seen.values():
        assert answer["before"] == [{"ms": 1}, *[{"ms": 2}] * 4]
        assert answer["answers"] == [{"ms": 30}, {"ms": 1}, *({"ms": 3 + number} for number in range(5))]
        assert answer["parent"] not in seen
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said, said
    assert "panicked" not in said, said
