"""Where a request's time goes: each state grows where it should, all of them sum to the whole, nothing is cut down.

How exact that is, is measured in bench/exactness.py: here a wait is at least as long as it was made to last.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Serving
from states_site import ended, figures, kept, served
from upstreams import slow_upstream
from wire import Later, get

PARTS = ["processing", "run_queue", "gil", "loop_queue", "no_thread_cpu", "no_thread_io", "client", "io"]
CPU = ("run_queue", "gil", "loop_queue", "no_thread_cpu")


@pytest.fixture(scope="module")
def site() -> Iterator[Serving]:
    yield from served()


def times(site: Serving, view: str) -> dict[str, float]:
    found = json.loads(get(site.url, f"/{view}/").body)
    assert list(found) == PARTS
    return found


def test_each_state_is_exact_on_the_pythons_that_this_was_shown_on(site):
    assert (3, 10) <= sys.version_info < (3, 14)
    assert figures(site)["rungs"] == ["cpu exact", "run queue exact", "gil exact", "loop exact"]


@pytest.mark.parametrize("view", ["computes", "computes_on_loop", "hops_and_computes"])
def test_computing_is_processing(site, view):
    found = times(site, view)
    assert found["processing"] >= 0.03


@pytest.mark.parametrize("view", ["waits", "blocks", "sleeps", "hops"])
def test_waiting_is_waiting_for_io(site, view):
    found = times(site, view)
    assert found["io"] >= 0.0595


def test_tasks_that_wait_side_by_side_compute_one_after_the_other(site):
    found = times(site, "children")
    # While one of them computes, the request does.
    assert found["processing"] >= 0.03
    assert found["io"] >= 0.029


def test_what_the_loop_does_for_a_sync_view_is_its_processing(site):
    found = times(site, "on_the_loop")
    assert found["processing"] >= 0.03
    # Its thread may want a processor while the loop sleeps for it.
    assert found["io"] + found["run_queue"] + found["gil"] >= 0.029


def test_who_waits_while_the_loop_computes_for_another_waits_for_cpu(site):
    holding = Later(get, site.url, "/holds_the_loop/")
    waiting = Later(times, site, "sleeps")
    time.sleep(0.4)  # not to wait for anything: this long both are held
    get(site.url, "/opens_from_thread/")
    holding.result()
    found = waiting.result()
    assert found["loop_queue"] >= 0.2
    assert found["io"] >= 0.0595


def test_threads_that_compute_at_once_wait_for_the_gil(site):
    together = [Later(times, site, "hops_and_computes") for _ in range(3)]
    assert sum(later.result()["gil"] for later in together) >= 0.05


@pytest.fixture(scope="module")
def around() -> Iterator[Serving]:
    yield from served("--threads", "1", application="states_asgi:around")


@pytest.mark.parametrize("view", ["computes", "computes_on_loop", "hops_and_computes", "waits", "sleeps"])
def test_what_is_reached_through_another_application_has_its_states_too(around, view):
    found = times(around, view)
    assert found["processing"] >= 0.03 or found["io"] >= 0.0595
    assert "io;dur=" in str(timing(around, view, **{"X-User": "staff"}))
    # And its view's name.
    assert ended(around, view, 2)["clamped"] == 0


def behind_one_that_holds_the_thread(site: Serving) -> dict[str, float]:
    """What is told to a request that comes while another one has the only thread, for 0.4 s."""
    holding = Later(times, site, "holds_a_thread")
    until = time.monotonic() + 20
    while get(site.url, "/is_held/").body != b"true":
        assert time.monotonic() < until
    waiting = Later(times, site, "waits")
    time.sleep(0.4)  # not to wait for anything: this long the one thread is held
    get(site.url, "/opens/")
    assert holding.result()["io"] >= 0.4
    return waiting.result()


def test_who_waits_for_a_thread_behind_another_application_is_said_to(around):
    found = behind_one_that_holds_the_thread(around)
    assert found["no_thread_io"] + found["no_thread_cpu"] >= 0.2


@pytest.fixture
def one_thread() -> Iterator[Serving]:
    yield from served("--threads", "1")


def test_who_waits_for_a_thread_is_said_to(one_thread):
    found = behind_one_that_holds_the_thread(one_thread)
    # By its holder, which waits itself.
    assert found["no_thread_io"] >= 0.2


def told_in_two_parts(site: Serving, first: bytes, rest: bytes) -> dict:
    """What a view tells whose client sends its request slowly. A busy machine may see the first part a little late."""
    with socket.create_connection((site.host, site.port)) as client:
        client.sendall(first)
        time.sleep(0.3)  # the client is slow
        client.sendall(rest)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_body_that_comes_late_is_its_client_s_time(site):
    head = b"POST /takes_body/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
    found = told_in_two_parts(site, head + b"ab", b"cd")
    assert (found["bytes"], found["client"] >= 0.2) == (4, True), found


def test_a_head_that_comes_late_is_its_client_s_time_too(site):
    found = told_in_two_parts(site, b"GET /waits/ HTTP/1.1\r\nHost: x\r\nConnec", b"tion: close\r\n\r\n")
    assert found["client"] >= 0.2


@pytest.mark.parametrize("view", ["streams", "streams_from_thread"])
def test_a_stream_counts_to_its_end(site, view):
    before = figures(site)["views"].get(f"states_urls.{view}", {"requests": 0})["requests"]
    assert get(site.url, f"/{view}/").body == b"xxx"
    found = ended(site, view, before + 1)
    assert found["parts"][PARTS.index("io")] >= 0.0595e9 * (before + 1)


@pytest.fixture
def fresh() -> Iterator[Serving]:
    yield from served()


def test_the_table_of_views_sums_up_what_requests_were_told(fresh):
    views = ["computes", "waits", "sleeps", "hops", "children", "on_the_loop", "computes_in_threads"]
    seen = {view: [times(fresh, view) for _ in range(5)] for view in views}
    for view in views:
        found = ended(fresh, view, 5)
        assert (found["requests"], found["failed"], found["clamped"]) == (5, 0, 0)
        for part, total in zip(PARTS, found["parts"], strict=True):
            # What a request is told misses what comes after; what waits is over by then.
            assert total / 1e9 >= sum(one[part] for one in seen[view]) - 0.001, (view, part)
    get(fresh.url, "/fails/")
    assert ended(fresh, "fails")["failed"] == 1
    get(fresh.url, "/there/is/no/such/page/")
    until = time.monotonic() + 20
    while "(no view)" not in figures(fresh)["views"]:
        assert time.monotonic() < until


@pytest.mark.parametrize(
    "view",
    ["kept_by_cycle", "kept_by_cycle_on_loop", "kept_by_cycle_streams", "kept_by_cycle_streams_on_loop"],
)
def test_a_request_ends_with_its_work_though_its_objects_stay(fresh, view):
    began = time.monotonic()
    assert get(fresh.url, f"/{view}/").status == 200
    # The garbage collector is off: without an end that is said, this would wait in vain.
    found = ended(fresh, view)
    assert found["requests"] == 1
    assert found["parts"][PARTS.index("io")] >= 0.0595e9
    assert sum(found["parts"]) <= 1e9 * (time.monotonic() - began)


def test_accounting_can_be_turned_off():
    for site in served("--accounting", "off"):
        assert json.loads(get(site.url, "/waits/").body) is None
        assert (figures(site)["rungs"], figures(site)["views"]) == (None, {})


def test_waiting_for_the_gil_can_be_sampled():
    for site in served("--accounting", "sampled"):
        assert figures(site)["rungs"] == ["cpu exact", "run queue exact", "gil sampled", "loop exact"]
        until = time.monotonic() + 60
        gil = 0.0
        while gil == 0.0:
            together = [Later(times, site, "hops_and_computes") for _ in range(4)]
            gil = sum(later.result()["gil"] for later in together)
            assert time.monotonic() < until


def addresses(site: Serving, view: str) -> list:
    """Where its calls went: not what a thread was seen to wait for besides, which on a busy machine may be anything."""
    found = figures(site)["addresses"]
    return [
        [kind, address, calls, most]
        for name, kind, address, _, calls, _, most in found
        if name.endswith(view) and kind in ("db", "http", "cache")
    ]


@pytest.fixture
def with_database(tmp_path: Path) -> Iterator[Serving]:
    yield from served(STATES_DATABASE=str(tmp_path / "kept.sqlite3"))


@pytest.mark.parametrize(("view", "count"), [("queries", 2), ("queries_from_loop", 1)])
def test_queries_are_waits_for_their_database(with_database, view, count):
    found = json.loads(get(with_database.url, f"/{view}/").body)
    assert list(found["waits"]) == ["db"]
    assert found["io"] >= found["waits"]["db"] - found["processing"] >= 0.0595 - found["processing"]
    ended(with_database, view)
    [[kind, address, calls, longest]] = addresses(with_database, f".{view}")
    assert (kind, address, calls) == ("db", "sqlite kept.sqlite3", count)
    assert longest >= 0.0295e9
    assert "db " in str(timing(with_database, view, **{"X-User": "staff"}))


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with slow_upstream(0.04) as url:
        yield url


@pytest.mark.parametrize("view", ["calls", "calls_from_loop"])
def test_outbound_calls_are_waits_for_their_upstream(fresh, upstream, view):
    found = json.loads(get(fresh.url, f"/{view}/?upstream={upstream}").body)
    assert list(found["waits"]) == ["http"]
    # One alone, then three at once: twice the time of one, not four times.
    assert found["waits"]["http"] >= 0.079
    ended(fresh, view)
    one, three = sorted(addresses(fresh, f".{view}"), key=lambda found: found[2])
    place = ["http", upstream.removeprefix("http://").rstrip("/")]
    assert [one[:3], three[:3]] == [[*place, 1], [*place, 3]]
    assert min(one[3], three[3]) >= 0.0395e9


def test_the_last_requests_are_kept_with_their_waits(fresh, upstream):
    for _ in range(3):
        get(fresh.url, f"/calls/?upstream={upstream}")
    ended(fresh, "calls", 3)
    recent = kept(fresh, "calls")["recent"]
    assert len(recent) == 3
    assert [began for began, _, _ in recent] == sorted(began for began, _, _ in recent)
    for began, parts, waits in recent:
        assert abs(began / 1e9 - time.time()) < 60
        assert [kind for kind, *_ in waits] == ["http"] * 4
        assert all(0 < sent < answered <= sum(parts) for _, _, _, sent, answered in waits)
        # The first alone, the other three together.
        (*_, first), *together = waits
        assert max(sent for *_, sent, _ in together) < min(answered for *_, answered in together)
        assert first <= min(sent for *_, sent, _ in together)


def test_requests_are_kept_within_the_memory_that_is_given(upstream):
    for none in served("--kept-requests", "0"):
        get(none.url, f"/calls/?upstream={upstream}")
        ended(none, "calls")
        assert kept(none, "calls")["recent"] == []


def test_calls_that_could_go_together_are_noticed_and_others_are_not(fresh, upstream):
    for view in ["calls_in_sequence", "calls_in_sequence", "waits", "queries_from_loop"]:
        get(fresh.url, f"/{view}/?upstream={upstream}")
    ended(fresh, "calls_in_sequence", 2)
    [[finding, view, place, what, count, worst, number]] = kept(fresh, "")["findings"]
    assert (finding, view) == ("in-sequence", "states_urls.calls_in_sequence")
    assert re.fullmatch(r"states_urls\.py:\d+ calls_in_sequence", place), place
    assert (what, count, number) == (upstream.removeprefix("http://").rstrip("/"), 2, 3)
    assert worst >= 0.075e9


def timing(site: Serving, view: str, **headers: str) -> str | None:
    return get(site.url, f"/{view}/", headers=headers).headers.get("Server-Timing")


@pytest.mark.parametrize("view", ["waits", "sleeps"])
def test_answers_say_where_their_time_went_where_that_is_wanted(site, view):
    assert timing(site, view) is None
    assert timing(site, view, **{"X-User": "guest"}) is None
    told = timing(site, view, **{"X-User": "staff"})
    assert told is not None
    names = [entry.split(";")[0].strip() for entry in told.split(",")]
    assert names == ["cpu", "waitcpu", "io"]
    io = float(told.rpartition("io;dur=")[2].split(";")[0])
    assert io >= 59.5


@pytest.mark.parametrize(("option", "debug", "wanted"), [("auto", "1", True), ("on", "0", True), ("off", "1", False)])
def test_the_option_decides_who_is_told(option, debug, wanted):
    for site in served("--server-timing", option, STATES_DEBUG=debug):
        assert (timing(site, "waits") is not None) is wanted
