"""A worker that dies or hangs is replaced; one that is merely busy is not, and the others go on."""

from __future__ import annotations

import os
import signal
from http.client import HTTPException
from pathlib import Path

import pytest
from harness import serve
from wire import Later, connection_to, get

APPS = Path(__file__).parents[1] / "projects" / "serve"


@pytest.mark.parametrize(
    ("path", "how"),
    [("/exit", "exited with status 7"), ("/crash", "was killed by SIGSEGV"), (None, "was killed by SIGKILL")],
)
def test_a_dead_worker_is_replaced_at_once_while_the_other_answers(path: str | None, how: str) -> None:
    with serve(["wsgi_app:app", "--workers", "2"], cwd=APPS) as server:
        first, second = server.workers
        with connection_to(server.url, second) as other, connection_to(server.url, first) as victim:
            if path is None:
                os.kill(first, signal.SIGKILL)
            else:
                with pytest.raises((OSError, HTTPException)):
                    victim.call(path)
            assert other.call("/").text == str(second), "the connection of the other worker lives on"
            server.wait_for_log(f"worker 1 (pid {first}) {how}: starting another")
            server.wait_for_log("worker 1 is ready again")
            assert other.call("/").text == str(second)
        assert server.stop() == 0


def test_a_crash_loop_is_slowed_and_said() -> None:
    with serve(["wsgi_app:app"], cwd=APPS) as server:
        for death in range(1, 4):
            with pytest.raises((OSError, HTTPException)):
                get(server.url, "/exit")
            server.wait_for_log("is ready again", times=death)
        with pytest.raises((OSError, HTTPException)):
            get(server.url, "/exit")
        server.wait_for_log("4 in a row died within 10s of starting, the next one starts in 1s")
        assert get(server.url, "/").status == 200, "connections wait in the queue of the socket"


def test_a_worker_whose_gil_cannot_be_had_is_replaced() -> None:
    with serve(["wsgi_app:app", "--hang-limit", "2s", "--workers", "2"], cwd=APPS) as server:
        first, second = server.workers
        with connection_to(server.url, second) as other, connection_to(server.url, first) as held:
            stuck = Later(held.call, "/hold-gil?seconds=600")
            server.wait_for_log("holding")
            server.wait_for_log("no thread could take its GIL for 2 s (--hang-limit): killing it")
            server.wait_for_log("worker 1 is ready again")
            assert other.call("/").text == str(second)
            with pytest.raises((OSError, HTTPException)):
                stuck.result()


def test_a_worker_that_computes_in_python_is_left_alone() -> None:
    with serve(["wsgi_app:app", "--hang-limit", "2s"], cwd=APPS) as server:
        (pid,) = server.workers
        assert get(server.url, "/compute?seconds=4").text == str(pid)
        assert "killing" not in server.log


def test_a_worker_whose_loop_is_blocked_with_the_gil_free_is_left_alone() -> None:
    with serve(["asgi_app:app", "--hang-limit", "2s"], cwd=APPS) as server:
        (pid,) = server.workers
        assert get(server.url, "/block?4").text == str(pid)
        assert "killing" not in server.log


def test_a_hang_limit_of_0_never_replaces() -> None:
    with serve(["wsgi_app:app", "--hang-limit", "0"], cwd=APPS) as server:
        assert get(server.url, "/hold-gil?seconds=4").text == str(server.workers[0])
        assert "killing" not in server.log
