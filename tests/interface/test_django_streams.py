"""Django's special answers over the wire: files that Rust sends, streams that hold a thread only while Python runs."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import serve
from wire import Client, Later, get

SITE = Path(__file__).parents[1] / "projects" / "requests_site"
CONTENT = b"".join(b"line %06d\n" % number for number in range(40_000))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "lines.txt"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def server(request, tmp_path_factory):
    env = {"SPECIAL_DATABASE": str(tmp_path_factory.mktemp("database") / "db.sqlite3")}
    options = ["--threads", "1", "--exclusive-threads", "1"]
    with serve([f"shown.{request.param}:application", *options], cwd=SITE, env=env) as server:
        yield server


VIEWS = ["file", "async-file"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", ["", "told", "memory", "shouting"])
def test_a_file_arrives_whole_with_its_length(server, file, view, kind):
    answer = get(server.url, f"/special/{view}?path={file}&kind={kind}")
    expected = CONTENT.upper() if kind == "shouting" else CONTENT
    assert (answer.status, answer.body == expected) == (200, True)
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    # BytesIO has no name to guess a type by.
    assert answer.headers["Content-Type"] == ("application/octet-stream" if kind == "memory" else "text/plain")


@pytest.mark.parametrize("view", VIEWS)
def test_it_starts_where_the_file_stands_and_may_be_empty(server, file, view):
    assert get(server.url, f"/special/{view}?path={file}&at=100").body == CONTENT[100:]
    empty = get(server.url, f"/special/{view}?path={file}&at={len(CONTENT)}")
    assert (empty.status, empty.headers["Content-Length"], empty.body) == (200, "0", b"")


@pytest.mark.parametrize("view", VIEWS)
def test_head_has_the_fields_of_get(server, file, view):
    whole, head = (get(server.url, f"/special/{view}?path={file}", method=method) for method in ("GET", "HEAD"))
    assert head.body == b""
    assert {**head.headers, "Date": ""} == {**whole.headers, "Date": ""}


@pytest.mark.parametrize("view", VIEWS)
def test_the_response_is_closed_once_when_the_file_was_sent_or_the_client_left(server, file, view, tmp_path):
    # Names of this test's own: the end of a request before may be told later than its answer came.
    sparse, whole = tmp_path / f"sparse-{tmp_path.name}", tmp_path / f"whole-{tmp_path.name}"
    with sparse.open("wb") as large:
        os.truncate(large.fileno(), 50_000_000)
    whole.write_bytes(CONTENT)
    left, sent = (f"closed the file {path.name}" for path in (sparse, whole))
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"GET /special/{view}?path={sparse}&kind=told HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        # The thread is free although the client reads no further.
        assert get(server.url, "/special/busy").status == 200
        assert left not in server.log
    server.wait_for_log(left)
    assert get(server.url, f"/special/{view}?path={whole}&kind=told").body == CONTENT
    server.wait_for_log(sent)
    # What closes a second time does so before the request's end is signalled, and both before the next on this thread.
    signals = server.log.count("signal on")
    assert get(server.url, "/special/busy").status == 200
    server.wait_for_log("signal on", times=signals + 1)
    assert (server.log.count(left), server.log.count(sent)) == (1, 1)


@pytest.mark.parametrize("view", VIEWS)
def test_a_file_that_shrinks_while_it_is_sent_closes_the_connection(server, file, view):
    shrinking = file.with_name("shrinking")
    with shrinking.open("wb") as large:
        os.truncate(large.fileno(), 50_000_000)
    client = Client(server.url)
    client.request("GET", f"/special/{view}?path={shrinking}")
    answer = client.getresponse()
    os.truncate(shrinking, 1000)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        answer.read()
    client.close()


def test_a_compressed_file_is_what_the_middleware_made_of_it(server, file):
    answer = get(server.url, f"/special/packed-file?path={file}", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == CONTENT


@pytest.mark.parametrize("view", ["events", "async-events"])
def test_an_async_iterator_runs_on_the_loop_in_the_requests_context(server, view):
    signals = server.log.count("signal on")
    assert get(server.url, f"/special/{view}").text == "MainThread kept True\n0\n1\n2\n"
    server.wait_for_log("signal on", times=signals + 1)


@pytest.mark.parametrize("view", ["events", "async-events"])
def test_many_endless_streams_hold_no_thread_and_close_when_their_clients_leave(server, view):
    closed, signals = server.log.count("events closed"), server.log.count("signal on")
    failed = server.log.count("Exception")
    clients = [Client(server.url) for _ in range(20)]
    for client in clients:
        client.request("GET", f"/special/{view}?endless=1")
        assert client.getresponse().readline().startswith(b"MainThread")
    # The one thread there is answers.
    assert get(server.url, "/special/busy").status == 200
    for client in clients:
        client.close()
    server.wait_for_log("events closed", times=closed + 20)
    server.wait_for_log("signal on", times=signals + 21)
    assert server.log.count("Exception") == failed


@pytest.mark.parametrize("view", ["wide", "async-wide"])
def test_an_async_iterator_is_asked_no_further_than_its_client_reads(server, view):
    closed = server.log.count("wide closed after")
    client = Client(server.url)
    client.request("GET", f"/special/{view}")
    answer = client.getresponse()
    assert get(server.url, "/special/busy").status == 200
    lines = answer.read().split(b"\n")
    assert [line.split(b" ")[0] for line in lines[:-1]] == [b"%d" % number for number in range(200)]
    client.request("GET", f"/special/{view}")
    client.getresponse()
    assert get(server.url, "/special/busy").status == 200
    client.close()
    log = server.wait_for_log("wide closed after", times=closed + 2)
    made = [int(count) for count in re.findall(r"wide closed after (\d+)\n", log)[closed:]]
    # 13 MB are more than what the sockets and the four chunks between hold.
    assert made[0] == 200
    assert made[1] < 200


@pytest.mark.parametrize("view", ["events", "async-events"])
def test_head_of_an_endless_stream_ends(server, view):
    closed = server.log.count("events closed")
    answer = get(server.url, f"/special/{view}?endless=1", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    server.wait_for_log("events closed", times=closed + 1)


def test_an_iterator_that_fails_closes_the_connection_and_is_logged(server):
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        get(server.url, "/special/failing")
    server.wait_for_log("ValueError: in the middle")


# A sync iterator of a view of either kind, and a view that needs a thread of the same pool, which has one.
ROWS = [("rows", "busy"), ("async-rows", "async-busy")]


@pytest.mark.parametrize(("view", "busy"), ROWS)
def test_a_slow_client_holds_no_thread_and_its_cursor_goes_with_it(server, view, busy):
    """With one thread in the pool, two slow clients and a quick one are served side by side."""
    clients = [Client(server.url) for _ in range(2)]
    answers = []
    for client in clients:
        client.request("GET", f"/special/{view}")
        answers.append(client.getresponse())
    assert get(server.url, f"/special/{busy}").status == 200
    with ThreadPoolExecutor(2) as pool:
        bodies = list(pool.map(lambda answer: answer.read(), answers))
    for body in bodies:
        assert rows_of(body) == ALL_ROWS
    for client in clients:
        client.close()


@pytest.mark.parametrize(("view", "busy"), ROWS)
def test_a_slow_client_that_leaves_ends_the_iterator(server, view, busy):
    counted = ("rows closed", "closed the stream", "signal on")
    rows, streams, signals = map(server.log.count, counted)
    client = Client(server.url)
    client.request("GET", f"/special/{view}")
    client.getresponse()
    assert get(server.url, f"/special/{busy}").status == 200
    client.close()
    server.wait_for_log("signal on", times=signals + 2)
    assert tuple(map(server.log.count, counted)) == (rows + 1, streams + 1, signals + 2)


@pytest.mark.parametrize("stay", ["transaction", "no autocommit", "on_commit", "wrapper", "shared", "memory"])
@pytest.mark.parametrize(("view", "busy"), ROWS)
def test_what_belongs_to_a_thread_keeps_the_stream_there(server, request, view, busy, stay):
    if stay == "memory":
        # Another database, and so another server.
        kind = request.node.callspec.params["server"]
        args = [f"shown.{kind}:application", "--threads", "1", "--exclusive-threads", "1"]
        server = request.getfixturevalue("enter")(serve(args, cwd=SITE))
    before = len(server.log)
    client, other = Client(server.url), Client(server.url)
    client.request("GET", f"/special/{view}?stay={stay.replace(' ', '%20')}")
    answer = client.getresponse()
    # Sent before anything is read: it would be answered first if the thread were free.
    other.request("GET", f"/special/{busy}")
    assert rows_of(answer.read()) == ALL_ROWS
    assert other.getresponse().status == 200
    said = re.findall("rows closed|busy on", server.log[before:])
    if view.startswith("async") and stay not in ("transaction", "no autocommit"):
        # On the loop these travel with the request: its thread is free, and its rows are its own all the same.
        said.sort(reverse=True)
    assert said == ["rows closed", "busy on"]
    client.close()
    other.close()


ALL_ROWS = [[b"%d" % n, b"kept"] for n in range(1, 201)]


def rows_of(body):
    return [line.split(b" ")[:2] for line in body.split(b"\n")[:-1]]


@pytest.fixture
def enter():
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def test_a_stream_goes_on_on_another_thread_with_its_own_connection(tmp_path):
    env = {"SPECIAL_DATABASE": str(tmp_path / "db.sqlite3")}
    with serve(["shown.wsgi:application", "--threads", "2"], cwd=SITE, env=env) as server:
        client = Client(server.url)
        client.request("GET", "/special/rows")
        answer = client.getresponse()
        first = named(server.wait_for_log("rows on"), "rows on")[0]
        # Two requests have both threads there may be: the stream has left its own.
        held = [Later(get, server.url, "/special/hold") for _ in range(2)]
        (second,) = set(named(server.wait_for_log("holds turnout", times=2), "holds")) - {first}
        get(server.url, f"/special/release?thread={second}")
        assert rows_of(answer.read()) == ALL_ROWS
        assert named(server.wait_for_log("rows closed"), "rows on") == [first, second]
        get(server.url, f"/special/release?thread={first}")
        assert [each.result().status for each in held] == [200, 200]
        client.close()


def test_a_stream_that_goes_to_the_loop_leaves_nothing_on_its_thread(tmp_path):
    env = {"SPECIAL_DATABASE": str(tmp_path / "db.sqlite3")}
    with serve(["shown.wsgi:application", "--threads", "1"], cwd=SITE, env=env) as server:
        client = Client(server.url)
        client.request("GET", "/special/queried-events?endless=1")
        assert client.getresponse().status == 200
        server.wait_for_log("own cache closed on turnout-sync-1")
        left = json.loads(get(server.url, "/special/left-over").body)
        assert left == {"thread": "turnout-sync-1", "connected": False}
        assert "events closed" not in server.log
        client.close()
        server.wait_for_log("events closed")


def named(log, what):
    """The threads that said so, in their order."""
    return re.findall(rf"^{what} (\S+)$", log, re.MULTILINE)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_at_the_end_of_a_drain_every_stream_is_closed_once(tmp_path, file, kind):
    env = {"SPECIAL_DATABASE": str(tmp_path / "db.sqlite3")}
    sparse = file.with_name("sparse")
    with sparse.open("wb") as large:
        os.truncate(large.fileno(), 50_000_000)
    streams = ["rows", "async-rows", "events?endless=1", "async-events?endless=1"]
    files = [f"{view}?path={sparse}&kind=told" for view in VIEWS]
    with serve([f"shown.{kind}:application", "--drain", "500ms", "--threads", "2"], cwd=SITE, env=env) as server:
        clients = [Client(server.url) for _ in streams + files]
        for client, path in zip(clients, streams + files, strict=True):
            client.request("GET", f"/special/{path}")
            assert client.getresponse().status == 200
        server.wait_for_log("rows on", times=2)
        assert server.stop() == 0
        for client in clients:
            client.close()
    counted = ("rows closed", "events closed", "closed the stream", "closed the file", "signal on")
    assert tuple(map(server.log.count, counted)) == (2, 2, 4, 2, 6), server.log
    assert "Traceback" not in server.log
