"""The comparison with the rivals: bars are judged as they read, void rows do not count, tables show what was lost."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from bench import load
from bench.bars import at_least, at_most
from bench.processes import Child, cpu_seconds, memory, running
from bench.question import tables
from bench.report import bars, markdown
from bench.results import Run
from bench.scenarios import SCENARIOS
from bench.servers import FAMILIES, variants


def run_of(**rps: float) -> Run:
    """A run of the JSON scenario: family -> requests a second, alike on both cases."""
    run = Run({"CPU": "none"}, {"rounds": 1})
    for family, figure in rps.items():
        name = family.replace("_", "-")
        for case in ("async", "sync"):
            run.row("json", case, name, name, pinned=True).rounds.append({"rps": figure, "p50": 1.0, "p99": 2.0})
    return run


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(7000.0, "11.67x ok, below the aim"), (8000.0, "13.33x ok"), (3000.0, "5.00x MISSED")],
)
def test_a_bar_says_whether_it_holds(ours: float, verdict: str) -> None:
    run = run_of(turnout=ours, granian_asgi=600.0, uvicorn=500.0)
    assert bars(run, SCENARIOS["json"], pinned=True)[0].endswith(f"(bar >= 8x, aim 12x): {verdict}")


def test_a_bar_needs_every_rival_it_names() -> None:
    assert bars(run_of(turnout=7000.0, uvicorn=500.0), SCENARIOS["json"], pinned=True)[0].endswith("not measured")


def test_a_void_row_does_not_count() -> None:
    run = run_of(turnout=7000.0, granian_asgi=600.0, uvicorn=500.0)
    run.row("json", "async", "turnout", "turnout", pinned=True).void.append("errors: 3 status")
    assert bars(run, SCENARIOS["json"], pinned=True)[0].endswith("not measured")
    assert "void: errors: 3 status" in markdown(run)


def test_a_ceiling_is_a_ceiling() -> None:
    figures = {("turnout", "waiting", "threads"): 17.0}
    bar = at_most("threads", "threads", "waiting", 16)
    assert bar.verdict(lambda *key: figures.get(key)).endswith("17.00 MISSED")


def test_a_figure_of_ones_own_needs_no_rival() -> None:
    bar = at_least("requests a second", "rps", "waiting", (), 750, unit=" rps")
    assert bar.verdict(lambda *key: 812.0) == "requests a second (bar >= 750 rps): 812 rps ok"


def test_rows_that_are_lost_stay_in_the_table() -> None:
    table = markdown(run_of(turnout=100.0, uvicorn=500.0))
    assert table.index("| uvicorn |") < table.index("| **turnout** |")


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = run_of(turnout=7000.0)
    run.save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json") == run


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("project", ["django", "bare", "bare-wsgi"])
def test_every_family_can_be_started(family: str, project: str) -> None:
    for server in variants(family, project, threads=None):
        assert any("8123" in part for part in server.command(8123))
        assert server.application in server.command(8123)


def test_a_child_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    script = "sleep 60 & sleep 60 & wait"
    child = Child(["sh", "-c", f"echo up; {script}"], core=None, env={}, cwd=tmp_path, log=tmp_path / "log")
    with running(child):
        while len(pids := child.tree()) < 3:
            assert child.alive
        assert memory(pids).rss > 0
        assert cpu_seconds(pids) >= 0
    assert not any(Path(f"/proc/{pid}/stat").exists() for pid in pids[:1])
    for pid in pids[1:]:
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().rpartition(") ")[2][0] == "Z"


class Answers(BaseHTTPRequestHandler):
    """Says who it is in every field that is not compared, and one that is."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Agent", self.headers["User-Agent"])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def test_answers_are_compared_without_what_names_the_server() -> None:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        answer = load.answer(server.server_port, "/")
    finally:
        thread.join()
        server.server_close()
    assert answer["status"] == 200
    assert answer["body"] == "ok"
    assert [name for name, _ in answer["headers"]] == ["content-length", "x-agent"]
    assert dict(answer["headers"])["x-agent"].startswith("Mozilla/5.0")


def test_a_free_port_is_free() -> None:
    from bench.measure import free_port

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_the_question_is_one_row_a_server_and_way() -> None:
    run = Run({}, {})
    for at, rps in ((1, 19.0), (50, 900.0)):
        row = run.row(f"question-1-{at}", "sync", "turnout", "turnout", pinned=True)
        row.rounds.append({"rps": rps, "p99": 52.0, "threads": 9, "rss_mib": 80.0, "cpu_us": 1500.0, "switches": 4.0})
    assert (
        "| **turnout**, `def`, requests | 19.0 / 900 / - | 52 / 52 / - | 9 / 9 / - | 80 / 80 / - | 1.5 / 1.5 / - |"
        in tables(run, pinned=True)
    )
