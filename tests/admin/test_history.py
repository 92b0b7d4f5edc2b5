"""What the admin socket has shown outlives the server that showed it, in one file that no other server writes."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from admin_socket import APPS, ask, now, token_file, until
from harness import Serving, run, serve
from wire import get


def options(folder: Path, *more: str) -> list[str]:
    admin = ["--admin", "127.0.0.1:0", "--admin-token-file", token_file(folder)]
    return ["wsgi_app:app", *admin, "--history", str(folder / "history.sqlite3"), *more]


def past(server: Serving, path: str = "/api/v1/history") -> dict[str, Any]:
    answer = ask(server, path)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def requests(server: Serving) -> int:
    return past(server)["totals"]["requests"]


def answer_some(server: Serving, count: int) -> None:
    """Until the admin socket has counted them."""
    before = sum(view["requests"] for view in now(server, seconds=900)["views"])
    for _ in range(count):
        assert get(server.url).status == 200
    until(lambda: sum(view["requests"] for view in now(server, seconds=900)["views"]) == before + count)


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    for round in range(3):
        with serve(options(tmp_path), cwd=APPS) as server:
            assert now(server)["server"]["history"] is True
            assert re.search(rf"^ +history +{tmp_path}/history.sqlite3$", server.log, re.MULTILINE)
            # What this one counts is in the file at the end of the minute, or of the server.
            assert requests(server) >= 4 * round
            answer_some(server, 4)
            assert server.stop() == 0
    with serve(options(tmp_path), cwd=APPS) as server:
        assert requests(server) == 12
        (view,) = past(server)["views"]
        name = view["name"]
        series = past(server, f"/api/v1/history?name={quote(name)}&step=60")["series"]
        assert len(series["time"]) >= 1440
        counted = [p for p in series["processing"] if p is not None]
        assert counted
        compared = past(server, f"/api/v1/compare?name={quote(name)}")
        assert compared["now"]["totals"]["requests"] == 12
        then = compared["then"]["totals"]
        assert (then["requests"], then["failed"], then["rps"], then["p95"]) == (0, 0, None, None)


def test_what_is_told_while_the_server_ends_is_in_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with serve(options(tmp_path), cwd=APPS) as server:
        with subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as r; r.urlopen('{server.url}/wait?fifo={fifo}')"]
        ):
            server.wait_for_log("waiting")
            server.send_signal(signal.SIGTERM)
            server.wait_for_log("draining")
            fifo.write_text("done")
        assert server.wait() == 0
    with serve(options(tmp_path), cwd=APPS) as server:
        assert requests(server) == 1


def test_a_killed_server_loses_its_last_minute_at_most(tmp_path: Path) -> None:
    with serve(options(tmp_path), cwd=APPS) as server:
        answer_some(server, 5)
        assert server.stop() == 0
    with serve(options(tmp_path), cwd=APPS) as server:
        answer_some(server, 3)
        os.killpg(server.pid, signal.SIGKILL)
        server.process.wait()
    with serve(options(tmp_path), cwd=APPS) as server:
        # The three are there only if a minute ended in between.
        kept = requests(server)
        assert kept in (5, 8)
        answer_some(server, 2)
        assert server.stop() == 0
    with serve(options(tmp_path), cwd=APPS) as server:
        assert requests(server) == kept + 2


def test_a_killed_worker_is_counted_once(tmp_path: Path) -> None:
    with serve(options(tmp_path), cwd=APPS) as server:
        answer_some(server, 5)
        os.kill(server.workers[0], signal.SIGKILL)
        server.wait_for_log("worker 1 is ready again")
        answer_some(server, 2)
        assert server.stop() == 0
    with serve(options(tmp_path), cwd=APPS) as server:
        assert requests(server) == 7


def test_workers_know_nothing_of_the_file(tmp_path: Path) -> None:
    def held(process: int) -> list[str]:
        return [str(fd.readlink()) for fd in Path(f"/proc/{process}/fd").iterdir()]

    with serve(options(tmp_path, "--workers", "2"), cwd=APPS) as server:
        os.kill(server.workers[0], signal.SIGKILL)
        server.wait_for_log("worker 1 is ready again")
        workers = until(lambda: [worker["process"] for worker in now(server)["workers"] if worker["process"]])
        assert any("history.sqlite3" in name for name in held(server.pid))
        for worker in {*workers, server.workers[1]} - {server.workers[0]}:
            assert not any("history.sqlite3" in name for name in held(worker))


def test_two_servers_do_not_write_one_file(tmp_path: Path) -> None:
    with serve(options(tmp_path), cwd=APPS) as server:
        answer_some(server, 1)
        ended = run(["serve", "--bind", "127.0.0.1:0", *options(tmp_path)], cwd=APPS)
        assert ended.returncode == 2
        assert f"--history {tmp_path / 'history.sqlite3'}: another server is writing to it" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        # The one that has it goes on.
        answer_some(server, 1)
        assert server.stop() == 0
    with serve(options(tmp_path), cwd=APPS) as server:
        assert requests(server) == 2


def test_anybody_who_may_read_the_file_may_look_at_it_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    for _ in range(2):
        with serve(options(tmp_path), cwd=APPS) as server:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                spans, total = database.execute(
                    "SELECT count(*), total(requests) FROM span NATURAL LEFT JOIN figures"
                ).fetchone()
            database.close()
            answer_some(server, 1)
            assert server.stop() == 0
    assert (spans, total) == (spans or 1, 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["history.sqlite3", "token"]


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE precious (x)")
    database.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("no database\n" * 1000), "is damaged, or not a database; move it away"),
        (foreign, "is the database of another program; name another file"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.symlink_to("/nowhere/at/all"), "the folder must be there"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_that_says_what_to_do(make: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    ended = run(["serve", "--bind", "127.0.0.1:0", *options(tmp_path)], cwd=APPS)
    assert ended.returncode == 2
    assert f"--history {path}: " in ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_newer_form_is_said_to_be_one(tmp_path: Path) -> None:
    with serve(options(tmp_path), cwd=APPS) as server:
        assert server.stop() == 0
    with sqlite3.connect(tmp_path / "history.sqlite3") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    ended = run(["serve", "--bind", "127.0.0.1:0", *options(tmp_path)], cwd=APPS)
    assert ended.returncode == 2
    assert "was written by a newer turnout (form 99, this one knows 1)" in ended.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--history", "past.sqlite3"], "--admin 127.0.0.1:9180"),
        (["--admin", "127.0.0.1:0", "--history", "p", "--history-size", "1MiB"], "must be from 4194304"),
        (["--admin", "127.0.0.1:0", "--history", "p", "--history-age", "30"], "the unit is missing"),
        (["--admin", "127.0.0.1:0", "--history", "p", "--history-age", "5000d"], "must be from 1d to 3660d"),
    ],
)
def test_a_slip_is_one_line(more: list[str], said: str, tmp_path: Path) -> None:
    ended = run(["serve", "asgi_app:plain", "--bind", "127.0.0.1:0", *more], cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_it_nothing_is_kept_and_the_answer_says_how(tmp_path: Path) -> None:
    with serve(
        ["wsgi_app:app", "--admin", "127.0.0.1:0", "--admin-token-file", token_file(tmp_path)], cwd=APPS
    ) as server:
        assert now(server)["server"]["history"] is False
        answer = ask(server, "/api/v1/history")
        assert answer.status == 404
        assert "--history PATH" in json.loads(answer.body)["hint"]


def test_a_hostile_question_is_refused_with_its_reason(tmp_path: Path) -> None:
    with serve(options(tmp_path), cwd=APPS) as server:
        for query in (
            "step=1",
            "from=9&to=3",
            "from=0",
            "to=1e308",
            "from=-1",
            "from=%F0%28",
            "step=60&from=0&to=9999999",
        ):
            answer = ask(server, f"/api/v1/history?{query}")
            assert answer.status == 400, query
            assert set(json.loads(answer.body)) == {"error", "hint"}
        assert ask(server, "/api/v1/compare?before=1").status == 400
        assert ask(server, "/api/v1/history?name=%00%27%3B--").status == 200
        assert ask(server, "/api/v1/history", token=None).status == 401
        assert ask(server, "/api/v1/history", Origin="http://evil.example").status == 403


def test_a_file_that_can_no_longer_be_written_is_said_once_and_serving_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    with serve(options(tmp_path), cwd=APPS) as server:
        path.unlink()
        path.mkdir()
        answer_some(server, 2)
        assert server.stop() == 0, "and the end comes all the same"
    assert server.log.count("cannot be written") == 1
    assert str(path) in server.log
