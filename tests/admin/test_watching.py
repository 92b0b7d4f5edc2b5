"""The admin socket goes on whatever the workers do, says how they are, and keeps what they counted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from urllib.parse import quote

import pytest
from admin_socket import APPS, ask, families, now, token_file, until, until_worker
from harness import Serving, serve
from wire import Later, get


def admin(folder: Path) -> list[str]:
    return ["--admin", "127.0.0.1:0", "--admin-token-file", token_file(folder)]


def test_health_is_said_while_the_project_starts_and_the_file_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with serve(["asgi_app:slow_to_start", "--admin", f"unix:{path}"], cwd=APPS, ready=False) as server:
        server.wait_for_log("starting")
        address = f"unix:{path}"
        assert ask(address, "/healthz").text == "alive\n"
        assert (ask(address, "/readyz").status, ask(address, "/readyz").text) == (503, "starting\n")
        server.stop()
    assert not path.exists()


def test_readiness_ends_when_the_drain_begins(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with serve(["wsgi_app:app", *admin(tmp_path)], cwd=APPS) as server:
        assert (ask(server, "/readyz").status, ask(server, "/readyz").text) == (200, "ready\n")
        waiting = Later(get, server.url, f"/wait?fifo={fifo}")
        server.wait_for_log("waiting")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("draining")
        assert (ask(server, "/readyz").status, ask(server, "/readyz").text) == (503, "draining\n")
        assert ask(server, "/healthz").status == 200
        until_worker(server, lambda worker: worker["process"] == server.workers[0])
        fifo.write_text("done")
        assert waiting.result().text == "done"
        assert server.wait() == 0


def test_a_worker_whose_loop_is_blocked_shows_as_blocked(tmp_path: Path) -> None:
    with serve(["asgi_app:app", *admin(tmp_path)], cwd=APPS) as server:
        until_worker(server, lambda worker: worker["state"] == "serving")
        blocked = Later(get, server.url, "/block?6")
        server.wait_for_log("blocking")
        worker = until_worker(server, lambda worker: worker["state"] == "blocked")
        assert worker["blocked_for"] > 1000
        assert worker["in_flight"] == 1
        assert not blocked.done, "the socket answered meanwhile"
        assert ask(server, "/readyz").status == 200, "its network goes on: it is slow, not gone"
        assert blocked.result().text == str(server.workers[0])
        until_worker(server, lambda worker: worker["state"] == "serving" and worker["in_flight"] == 0)


def test_a_worker_that_gets_no_processor_shows_as_silent(tmp_path: Path) -> None:
    with serve(["asgi_app:app", *admin(tmp_path)], cwd=APPS) as server:
        until_worker(server, lambda worker: worker["state"] == "serving")
        os.kill(server.workers[0], signal.SIGSTOP)
        until_worker(server, lambda worker: worker["state"] == "silent")
        os.kill(server.workers[0], signal.SIGCONT)
        until_worker(server, lambda worker: worker["state"] == "serving")


def test_a_killed_worker_is_replaced_and_its_death_is_counted(tmp_path: Path) -> None:
    with serve(["wsgi_app:app", "--workers", "2", *admin(tmp_path)], cwd=APPS) as server:
        first, second = server.workers
        until_worker(server, lambda worker: worker["process"] == first)
        os.kill(first, signal.SIGKILL)
        server.wait_for_log("worker 1 is ready again")
        worker = until_worker(server, lambda worker: worker["process"] not in (0, first))
        assert worker["state"] == "serving"
        assert now(server)["workers"][1]["process"] == second
        # Numbered as in the log.
        assert [worker["number"] for worker in now(server)["workers"]] == [1, 2]
        assert families(server)["turnout_worker_deaths"].samples[0].value == 1


def requests(server: Serving) -> float:
    return sum(sample.value for sample in families(server)["turnout_view_requests"].samples)


def test_a_killed_worker_leaves_what_it_counted(tmp_path: Path) -> None:
    with serve(["wsgi_app:app", *admin(tmp_path)], cwd=APPS) as server:
        for _ in range(5):
            assert get(server.url).status == 200
        until(lambda: requests(server) == 5)
        os.kill(server.workers[0], signal.SIGKILL)
        server.wait_for_log("worker 1 is ready again")
        assert requests(server) == 5
        assert get(server.url).status == 200
        until(lambda: requests(server) == 6)


def test_views_are_shown_in_their_three_states(tmp_path: Path) -> None:
    with serve(["wsgi_app:app", *admin(tmp_path)], cwd=APPS) as server:
        assert get(server.url, "/compute?seconds=0.5").status == 200
        (view,) = until(lambda: now(server)["views"])
        assert (view["requests"], view["failed"]) == (1, 0)
        assert sum(view["shares"].values()) == pytest.approx(1, abs=1e-5)
        assert sum(view["parts"].values()) == pytest.approx(view["mean"], abs=0.01)
        assert view["parts"]["processing"] > 100
        page = json.loads(ask(server, f"/api/v1/view?name={quote(view['name'])}").body)
        assert page["totals"]["requests"] == 1
        assert [bin["requests"] for bin in page["bins"]] == [1]
        assert len(now(server)["workers"][0]["accounting"]) == 4


def test_without_accounting_there_are_workers_and_no_views(tmp_path: Path) -> None:
    with serve(["wsgi_app:app", "--accounting", "off", *admin(tmp_path)], cwd=APPS) as server:
        assert get(server.url).status == 200
        worker = until_worker(server, lambda worker: worker["state"] == "serving")
        assert worker["accounting"] == ["accounting off"]
        assert now(server)["views"] == []


def test_what_a_worker_does_is_seen(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with serve(["wsgi_app:app", "--threads", "7", *admin(tmp_path)], cwd=APPS) as server:
        waiting = Later(get, server.url, f"/wait?fifo={fifo}")
        server.wait_for_log("waiting")
        worker = until_worker(server, lambda worker: worker["threads_busy"] == 1)
        assert (worker["threads_most"], worker["in_flight"], worker["queued"]) == (7, 1, 0)
        assert worker["memory"] > 1 << 20
        fifo.write_text("done")
        assert waiting.result().text == "done"
        until_worker(server, lambda worker: worker["in_flight"] == 0)
        later = Later(get, server.url, "/compute?seconds=3")
        until_worker(server, lambda worker: worker["cpu"] > 0.1)
        assert later.result().status == 200


def test_prometheus_reads_the_metrics(tmp_path: Path) -> None:
    with serve(["wsgi_app:app", *admin(tmp_path)], cwd=APPS) as server:
        until_worker(server, lambda worker: worker["state"] == "serving")
        read = families(server)
        assert {sample.labels["state"]: sample.value for sample in read["turnout_workers"].samples}["serving"] == 1
        memory = read["turnout_worker_memory_bytes"]
        assert (memory.type, memory.unit) == ("gauge", "bytes")
        assert memory.samples[0].labels == {"worker": "1"}
        assert read["turnout_worker_cpu_seconds"].samples[0].name == "turnout_worker_cpu_seconds_total"
        assert read["turnout_view_duration_seconds"].type == "histogram"
