"""One line for each answer, with its duration; never a wait, never a line that a client could forge."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

from harness import run, serve
from wire import Client, get

APPS = Path(__file__).parents[1] / "projects" / "serve"


def test_text() -> None:
    with serve(["wsgi_app:app", "--access-log", "text"], cwd=APPS) as server:
        get(server.url, "/?a=b", headers={"User-Agent": "tester/1", "Referer": "http://x/"})
        log = server.wait_for_log("tester/1")
    line = next(line for line in log.splitlines() if "tester/1" in line)
    pattern = (
        r'127\.0\.0\.1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "GET /\?a=b HTTP/1\.1" 200 \d+ \d+\.\dms '
        r'"http://x/" "tester/1" cpu=\d+\.\dms waitcpu=\d+\.\dms io=\d+\.\dms'
    )
    assert re.fullmatch(pattern, line), line


def test_json_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    arguments = ["wsgi_app:app", "--access-log", "json", "--access-log-file", str(path)]
    with serve(arguments, cwd=APPS) as server:
        get(server.url, "/")
        get(server.url, "/no-such-view")
        server.stop()
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first.keys() >= {"time", "peer", "method", "target", "version", "status", "bytes", "duration_ms", "outcome"}
    assert (first["method"], first["target"], first["status"], first["outcome"]) == ("GET", "/", 200, "complete")
    assert first["duration_ms"] > 0
    # Up to its head, to a thousandth.
    spent = [first[name] for name in ("cpu_ms", "waitcpu_ms", "io_ms")]
    assert spent[0] > 0
    assert 0 < sum(spent) <= first["duration_ms"] + 0.002, first
    assert second["status"] == 500


def test_where_nothing_is_accounted_for_nothing_is_said_of_it(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    arguments = ["wsgi_app:app", "--accounting", "off", "--access-log", "json", "--access-log-file", str(path)]
    with serve(arguments, cwd=APPS) as server:
        get(server.url, "/")
        server.stop()
    (entry,) = (json.loads(line) for line in path.read_text().splitlines())
    assert [entry[name] for name in ("cpu_ms", "waitcpu_ms", "io_ms")] == [None] * 3


def test_it_is_written_to_the_last_line_before_the_end() -> None:
    with serve(["wsgi_app:app", "--access-log", "text", "--workers", "2"], cwd=APPS) as server:
        client = Client(server.url)
        for number in range(200):
            client.call(f"/?n={number}")
        client.close()
        server.stop()
    assert [f"/?n={number} " in server.log for number in range(200)] == [True] * 200


def test_a_client_cannot_forge_a_line() -> None:
    with serve(["wsgi_app:app", "--access-log", "text"], cwd=APPS) as server:
        with socket.create_connection((server.host, server.port)) as raw:
            raw.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: a"b\\c\xff\tz\r\n\r\n')
            while raw.recv(4096):
                pass
        log = server.wait_for_log('"a\\"b\\\\c\\xff\\x09z"')
    assert log.count("GET / HTTP/1.1") == 1


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # Somebody must read while it is opened; nobody does afterwards.
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    arguments = ["wsgi_app:app", "--access-log", "text", "--access-log-file", str(path), "--drain", "1s"]
    with serve(arguments, cwd=APPS) as server:
        client = Client(server.url)
        long = "x" * 6000
        # 64 KiB of pipe and 2 MiB of waiting lines.
        for _ in range(500):
            assert client.call(f"/?{long}").status == 200
        client.close()
        assert server.stop() == 0
        assert re.search(r"turnout: \d{3} lines of the access log were dropped", server.log)
    os.close(reader)


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "folder"
    arguments = [
        "serve",
        "wsgi_app:app",
        "--bind",
        "127.0.0.1:0",
        "--access-log",
        "text",
        "--access-log-file",
        str(path),
    ]
    ended = run(arguments, cwd=APPS)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"turnout: the access log {path} cannot be opened: ")
    assert len(ended.stderr.splitlines()) == 1
