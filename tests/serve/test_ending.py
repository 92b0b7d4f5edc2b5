"""SIGTERM drains, a second signal ends at once, and nothing outlives its supervisor."""

from __future__ import annotations

import os
import signal
import time
from http.client import HTTPException
from pathlib import Path

import pytest
from harness import run, serve
from wire import Client, Later, get

APPS = Path(__file__).parents[1] / "projects" / "serve"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def gone(pid: int, seconds: float = 30) -> bool:
    """Whether a process that is not ours to wait for has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def refuses(address: str) -> bool:
    """Whether nobody listens there any more, soon."""
    for _ in range(1000):
        try:
            get(address)
        except OSError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_request_in_flight_is_answered_before_the_end(fifo: Path, number: int) -> None:
    with serve(["wsgi_app:app"], cwd=APPS) as server:
        answer = Later(get, server.url, f"/wait?fifo={fifo}")
        server.wait_for_log("waiting")
        server.send_signal(number)
        server.wait_for_log("draining")
        assert refuses(server.url)
        assert not answer.done
        fifo.write_text("done waiting")
        assert answer.result().text == "done waiting"
        assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_to_every_process_drains_once(fifo: Path, number: int) -> None:
    with serve(["wsgi_app:app", "--workers", "2"], cwd=APPS) as server:
        answer = Later(get, server.url, f"/wait?fifo={fifo}")
        server.wait_for_log("waiting")
        os.killpg(server.pid, number)
        server.wait_for_log("draining")
        fifo.write_text("in peace")
        assert answer.result().text == "in peace"
        assert server.wait() == 0
        assert "Traceback" not in server.log


def test_what_does_not_end_in_time_is_cut_off(fifo: Path) -> None:
    with serve(["wsgi_app:app", "--drain", "100ms"], cwd=APPS) as server:
        answer = Later(get, server.url, f"/wait?fifo={fifo}")
        server.wait_for_log("waiting")
        assert server.stop() == 0
        with pytest.raises((OSError, HTTPException)):
            answer.result()
        assert "requests in flight that were cut off after 0.1 s (--drain): 1" in server.log


def test_a_thread_of_the_project_that_never_ends_does_not_hold_the_end_up() -> None:
    with serve(["wsgi_app:app"], cwd=APPS) as server:
        assert get(server.url, "/leave-thread").text == "left"
        assert server.stop() == 0
        assert "killing it" not in server.log


def test_a_second_signal_ends_at_once(fifo: Path) -> None:
    with serve(["wsgi_app:app", "--workers", "2"], cwd=APPS) as server:
        Later(get, server.url, f"/wait?fifo={fifo}")
        server.wait_for_log("waiting")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("draining")
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 128 + signal.SIGTERM
        assert all(gone(pid) for pid in server.workers)


def test_nohup_is_respected() -> None:
    ignore = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with serve(["wsgi_app:app"], cwd=APPS) as server:
            os.killpg(server.pid, signal.SIGHUP)
            assert get(server.url).text == str(server.workers[0])
            assert server.stop() == 0
            assert "SIGHUP" not in server.log
    finally:
        signal.signal(signal.SIGHUP, ignore)


def test_workers_end_when_their_supervisor_was_killed() -> None:
    with serve(["wsgi_app:app", "--workers", "2"], cwd=APPS) as server:
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert all(gone(pid) for pid in server.workers)


def test_an_idle_keep_alive_connection_does_not_hold_the_end_up() -> None:
    with serve(["wsgi_app:app"], cwd=APPS) as server:
        client = Client(server.url)
        assert client.call("/").status == 200
        assert server.stop() == 0
        assert "cut off" not in server.log
        client.close()


def test_an_asgi_app_is_told_and_may_put_things_away() -> None:
    with serve(["asgi_app:app"], cwd=APPS) as server:
        assert get(server.url).text == "in state"
        assert server.stop() == 0
        assert server.log.count("put away") == 1


def test_an_asgi_app_without_lifespan_is_served() -> None:
    for name in ("plain", "factory"):
        with serve([f"asgi_app:{name}"], cwd=APPS) as server:
            assert get(server.url).text == "plain"
            assert server.stop() == 0


def test_an_asgi_app_that_never_gets_ready_can_be_stopped() -> None:
    with serve(["asgi_app:slow_to_start"], cwd=APPS, ready=False) as server:
        server.wait_for_log("starting")
        assert server.stop() == 0
        assert "killing it" not in server.log


def test_an_asgi_app_that_cannot_start_ends_the_server() -> None:
    ended = run(["serve", "asgi_app:refusing", "--bind", "127.0.0.1:0"], cwd=APPS)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-2:] == [
        "Traceback ...",
        "turnout: asgi_app:refusing did not start: RuntimeError: no database",
    ]
