"""`turnout demo`, end to end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from demo.conftest import DEMO, PAGE, Demo, descendants, end, read_until, start

from turnout import demo as command
from turnout.demo import WAYS, findings
from turnout.demo.measure import Figures

pytestmark = pytest.mark.timeout(150)

ADMIN = r"live: (http://\S+)\n"
ROW = re.compile(r"^(.+?) {2,}([\d,]+) ms +([\d,]+) ms +(\d+) +([\d,]+) MB$", re.MULTILINE)


def test_the_table_has_a_row_for_each_way_and_says_what_they_show(demo: Demo) -> None:
    rows = {title: [int(cell.replace(",", "")) for cell in cells] for title, *cells in ROW.findall(demo.printed)}
    assert list(rows) == list(WAYS.values()), demo.printed
    assert "4 at once" in demo.printed
    slow, together = rows[WAYS["one-after-another"]], rows[WAYS["gathered"]]
    assert slow[0] > 2 * together[0], demo.printed
    assert all(memory > 10 for *_, memory in rows.values()), demo.printed
    assert "Fan-out saves time: " in demo.printed
    assert "\033" not in demo.printed, "no colours or bars where nobody looks"


def test_an_async_view_needs_no_thread_while_its_calls_are_out(demo: Demo) -> None:
    threads = {title: int(threads) for title, _, _, threads, _ in ROW.findall(demo.printed)}
    assert threads[WAYS["gathered"]] == 0, demo.printed
    assert threads[WAYS["one-after-another"]] >= 2, demo.printed
    assert threads[WAYS["thread-pool"]] > threads[WAYS["one-after-another"]], demo.printed


def test_ended_in_the_middle_it_leaves_nothing_behind() -> None:
    process = start("--at-once", "2")
    try:
        read_until(process, "at once")
        deadline = time.monotonic() + 60
        # A server and its worker: the first way is being measured.
        while len(below := descendants(process.pid)) < 2:
            assert time.monotonic() < deadline, "no server was started"
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
        alive = [pid for pid in below if Path(f"/proc/{pid}").exists()]
        assert alive == []
    finally:
        end(process)


def test_the_page_ends_with_the_demo_and_that_is_a_good_end() -> None:
    process = start("--page", "--bind", "127.0.0.1:0")
    try:
        (url,) = re.findall(PAGE, read_until(process, PAGE))
        with urllib.request.urlopen(url + "/") as answer:
            assert answer.status == 200
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []
    finally:
        end(process)


def test_the_page_of_the_server_s_own_figures_is_one_click_away() -> None:
    process = start("--page", "--bind", "127.0.0.1:0")
    try:
        printed = read_until(process, ADMIN)
        (url,), (link,) = re.findall(PAGE, printed), re.findall(ADMIN, printed)
        with urllib.request.urlopen(url + "/") as answer:
            assert answer.status == 200
        # As a browser does it: the link gives a cookie and leads to the page.
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"<title>turnout" in opener.open(link).read()
        figures_url = link.partition("/login")[0] + "/api/v1/now"
        until = time.monotonic() + 30
        while True:
            views = json.loads(opener.open(figures_url).read())["views"]
            if any(view["requests"] for view in views):
                break
            assert time.monotonic() < until, views
    finally:
        end(process)


def test_wrong_options_are_one_line_and_status_2() -> None:
    for wrong in (["--at-once", "0"], ["--at-once", "many"], ["--nonsense"]):
        done = subprocess.run([*DEMO, *wrong], capture_output=True, text=True)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert wrong[0] in done.stderr


def test_what_is_not_installed_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(command.NEEDED, "no_such_package", "no-such-package")
    assert command.main([]) == 1
    assert capsys.readouterr().err == "turnout demo: the demo needs no-such-package: pip install 'turnout[demo]'\n"


def test_an_address_in_use_is_said_in_one_line(demo: Demo) -> None:
    done = subprocess.run(
        [*DEMO, "--page", "--bind", demo.url.removeprefix("http://")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def figures(alone_ms: float, crowd_ms: float, threads: int, memory_mb: float) -> Figures:
    return Figures(alone_ms, crowd_ms, threads, memory_mb, failed=0)


def test_nothing_is_concluded_that_the_figures_do_not_bear() -> None:
    same = {way: figures(250, 900, 10, 80) for way in WAYS}
    assert findings.conclusions(same, 100) == []
    told = {way: figures(250, 900, 0, 80) for way in WAYS}
    told["one-after-another"] = figures(1150, 2700, 64, 90)
    told["thread-pool"] = figures(260, 2600, 400, 130)
    told["adrf"] = figures(260, 900, 60, 85)
    text = " ".join(findings.conclusions(told, 100)).replace("\n  ", " ")
    assert "260 ms at most instead of 1,150 ms, 4.4 times as fast" in text
    assert "a thread per call needed 400, one thread per search 64, async none" in text
    assert "130 MB with one per call, 80 MB with async" in text
    assert "done 3.0 times as fast as one call after another, and a thread per call was no help" in text
    assert "ADRF needed 60" in text


def test_the_columns_stand_under_each_other() -> None:
    table = findings.table({way: figures(1234, 5, 7, 80) for way in WAYS}, WAYS, 100)
    lines = [line for line in table.splitlines() if line.endswith("MB") or line.endswith("memory")]
    assert len(lines) == 1 + len(WAYS)
    assert len({len(line) for line in lines}) == 1, table


def test_help_names_the_options() -> None:
    done = subprocess.run([sys.executable, "-m", "turnout", "demo", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for option in ("--stay", "--page", "--bind", "--at-once"):
        assert option in done.stdout
