"""What ASGI apps send and receive: every slip is named, nothing of a body is lost, extensions are what they say."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from harness import serve, serve_asgi
from raw import wire
from wire import Client, get

PLAIN = Path(__file__).parents[1] / "projects" / "plain"


@pytest.fixture(scope="module")
def server():
    with serve(["asgi_protocol:app", "--log-level", "debug"], cwd=PLAIN) as server:
        yield server


@pytest.fixture(scope="module", params=["plain", "validated"])
def right(request):
    """For what follows the specification: the validator must agree."""
    with serve_asgi("asgi_protocol:app", validated=request.param == "validated", cwd=PLAIN) as server:
        yield server


# name -> what the app is told
SLIPS = {
    "no-dict": "TypeError: ASGI: a message must be a dict, not str",
    "no-type": "TypeError: ASGI: a message has no 'type'",
    "type-bytes": "TypeError: ASGI: a message's 'type' must be a str, not bytes",
    "unknown": 'RuntimeError: ASGI: unexpected message "http.response.zerocopysend" on an HTTP request',
    "no-status": 'TypeError: ASGI: "http.response.start" has no "status"',
    "status-str": 'TypeError: ASGI: "status" of "http.response.start" must be an int, not str',
    "status-low": "ValueError: illegal status 99: a response has 200 to 999",
    "headers-int": 'TypeError: ASGI: "headers" of "http.response.start" must be an iterable of pairs, not int',
    "header-flat": "TypeError: ASGI: 'headers' of \"http.response.start\" must hold pairs of bytes, not b'ab'",
    "header-three": "TypeError: ASGI: 'headers' of \"http.response.start\" must hold pairs of bytes, "
    "not (b'a', b'b', b'c')",
    "header-name-str": "TypeError: ASGI: a header's name in \"http.response.start\" must be bytes, not str: 'x-a'",
    "header-value-str": "TypeError: ASGI: a header's value in \"http.response.start\" must be bytes, not str: '1'",
    "header-value-none": 'TypeError: ASGI: a header\'s value in "http.response.start" must be bytes, '
    "not NoneType: None",
    "header-name-illegal": "ValueError: ASGI: illegal header name in \"http.response.start\": b'x a'",
    "header-value-illegal": "ValueError: ASGI: illegal header value in \"http.response.start\": b'1\\r\\nb: 2'",
    "start-twice": "RuntimeError: ASGI: 'http.response.start' was sent twice",
    "body-first": "RuntimeError: ASGI: \"http.response.body\" was sent before 'http.response.start'",
    "body-str": 'TypeError: ASGI: "body" of "http.response.body" must be bytes, not str',
    "body-none": 'TypeError: ASGI: "body" of "http.response.body" must be bytes, not NoneType',
    "trailers-unpromised": 'RuntimeError: ASGI: "http.response.trailers" was sent before the body had ended, '
    "or without 'trailers' in 'http.response.start'",
    "path-first": "RuntimeError: ASGI: \"http.response.pathsend\" was sent before 'http.response.start'",
    "path-bytes": 'TypeError: ASGI: "path" of "http.response.pathsend" must be a str, not bytes',
    "path-relative": 'ValueError: ASGI: "path" of "http.response.pathsend" is not absolute: x',
    "path-missing": "RuntimeError: ASGI: cannot send the file /not/there: No such file or directory (os error 2)",
    "path-folder": "RuntimeError: ASGI: cannot send the file /: invalid input parameter",
    "hint-str": 'TypeError: ASGI: "links" of "http.response.early_hint" must be an iterable of bytes, not str',
    "hint-without-links": 'TypeError: ASGI: "http.response.early_hint" has no "links"',
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_message_is_refused_by_name_and_the_app_may_go_on(server, slip):
    answer = get(server.url, f"/wrong/{slip}")
    assert (answer.status, answer.text) == (200, SLIPS[slip])


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_message_that_the_app_lets_go_is_one_500_and_one_entry_that_names_it(server, slip):
    before = len(server.log)
    answer = get(server.url, f"/wrong/{slip}?raise")
    assert answer.status == 500
    assert b"ASGI" not in answer.body
    entry = f"Exception in the ASGI application: GET /wrong/{slip}: {SLIPS[slip]}"
    assert server.wait_for_log(entry)[before:].count("ERROR") == 1


def test_headers_may_be_any_iterables(right):
    answer = get(right.url, "/lists")
    assert [(name, value) for name, value in answer.headers.items() if name.startswith("x-")] == [
        ("x-a", "1"),
        ("x-a", "3"),
        ("x-b", "2"),
    ]


def test_bodies_may_be_whatever_holds_bytes(server):
    assert get(server.url, "/views").body == b"a view and an array"


def test_messages_after_the_end_are_ignored_and_the_log_says_so(server):
    with closing(Client(server.url)) as client:
        assert client.call("/late").body == b"x"
        server.wait_for_log('the ASGI app sent "http.response.body" after its response had ended: ignored: GET /late')
        assert client.call("/views").status == 200


@pytest.mark.parametrize(
    ("path", "status", "entry"),
    [
        ("/nothing", 500, "the ASGI app returned without a response: GET /nothing"),
        ("/half", 500, "the ASGI app returned before its response was complete: GET /half"),
        ("/raise-after-start", 500, "GET /raise-after-start: ValueError: told to\n"),
        ("/raise-after-end", 200, "GET /raise-after-end: ValueError: told to, afterwards\n"),
    ],
)
def test_an_app_that_ends_badly_is_answered_for_while_nothing_was_sent(server, path, status, entry):
    assert get(server.url, path).status == status
    server.wait_for_log(entry)


@pytest.mark.parametrize(
    ("path", "lacking"),
    [("/half-streamed", "its response was complete"), ("/no-trailers", "it had sent its trailers")],
)
def test_an_answer_that_was_begun_and_not_ended_never_looks_whole(server, path, lacking):
    with wire(server.url) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n".encode())
        answer, _ = connection.rest()
    assert not answer.endswith(b"0\r\n\r\n")
    server.wait_for_log(f"the ASGI app returned before {lacking}: GET {path}")


def test_a_receive_that_was_cancelled_lost_nothing(right):
    with wire(right.url) as connection:
        connection.send(b"POST /impatient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(10):
            # The app gives up a few times before each of them.
            connection.socket.settimeout(0.03)
            with pytest.raises(TimeoutError):
                connection.socket.recv(1)
            connection.send(b"3\r\n%03d\r\n" % number)
        connection.socket.settimeout(30)
        connection.send(b"0\r\n\r\n")
        connection.until(b"\r\n\r\n")
        answer = json.loads(connection.until(b"}"))
    assert answer["total"] == "".join(f"{number:03}" for number in range(10))
    assert answer["cancelled"] > 0


def test_a_receive_that_never_ran_took_nothing(right):
    answer = get(right.url, "/never-started", method="POST", body=b"whole")
    assert json.loads(answer.body) == {"body": "whole", "cancelled": True}


def test_two_that_receive_at_once_share_the_body(right):
    answer = get(right.url, "/two-receivers", method="POST", body=b"x" * 1_000_000)
    assert json.loads(answer.body) == {"total": 1_000_000}


def test_after_the_answer_receive_says_that_it_is_over(right):
    before = right.log.count("then: http.disconnect http.disconnect")
    assert get(right.url, "/after-answer").body == b"x"
    right.wait_for_log("then: http.disconnect http.disconnect", times=before + 1)


@pytest.mark.parametrize(("how", "logged"), [("send", False), ("wrapped", False), ("error", True)])
def test_who_goes_on_after_the_client_left_is_told_at_once_and_complained_about_only_for_faults(right, how, logged):
    before = len(right.log)
    with wire(right.url) as connection:
        connection.send(f"GET /left/{how} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        right.wait_for_log(f"{how} waits")
    right.wait_for_log(f"{how} ended")
    assert get(right.url, "/state").status == 200
    assert ("ERROR" in right.log[before:]) == logged


def test_a_client_that_sends_faster_than_the_app_reads_is_slowed_down(right):
    with wire(right.url) as connection:
        size = 256 * 1024 * 1024
        connection.send(b"POST /slow-reader HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        connection.socket.settimeout(1.0)
        sent = 0
        try:
            while sent < size:
                sent += connection.socket.send(b"x" * 65536)
        except TimeoutError:
            pass
    assert sent < size // 2, "all of it was taken though nobody read"


def test_hints_go_out_before_the_answer(right):
    with wire(right.url) as connection:
        connection.send(b"GET /hint HTTP/1.1\r\nHost: x\r\n\r\n")
        first = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload; as=style\r\n"
        assert connection.until(b"\r\n\r\n") == first + b"link: </script.js>; rel=preload; as=script\r\n\r\n"
        assert connection.until(b"\r\n\r\n") == first + b"\r\n"
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.until(b"0\r\n\r\n") == b"1\r\nx\r\n1\r\nx\r\n0\r\n\r\n"


def test_http_1_0_is_offered_what_it_can_have(right):
    with wire(right.url) as connection:
        connection.send(b"GET /hint HTTP/1.0\r\nTE: trailers\r\n\r\n")
        answer, reset = connection.rest()
        assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
        assert not reset
    with wire(right.url) as connection:
        connection.send(b"GET /debug HTTP/1.0\r\nTE: trailers\r\n\r\n")
        answer, reset = connection.rest()
        assert answer.endswith(b'\r\n\r\n["http.response.pathsend"]')
        assert not reset


def test_a_file_is_sent_by_its_path(right, tmp_path):
    for size in (0, 10, 1_000_000):
        path = tmp_path / str(size)
        path.write_bytes(b"x" * size)
        with closing(Client(right.url)) as client:
            answer = client.call(f"/path{path}")
            assert (answer.status, answer.body) == (200, b"x" * size)
            assert answer.headers["content-length"] == str(size)
            assert client.call(f"/path{path}", method="HEAD").headers["content-length"] == str(size)
            assert client.call("/state").status == 200


def test_a_file_of_another_length_than_promised_is_one_500(server, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"xxx")
    assert get(server.url, f"/path{path}?4").status == 500
    assert get(server.url, f"/path{path}?3").body == b"xxx"


def test_trailers_are_announced_to_who_takes_them_and_sent(right):
    with wire(right.url) as connection:
        connection.send(b"GET /trailers HTTP/1.1\r\nHost: x\r\nTE: gzip, Trailers\r\n\r\n")
        assert b"\r\ntrailer: x-sum, x-time\r\n" in connection.until(b"\r\n\r\n")
        assert connection.until(b"\r\n\r\n") == b"1\r\nx\r\n0\r\nx-sum: 1\r\nx-time: 2\r\n\r\n"
        connection.send(b"GET /trailers HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"trailer" not in connection.until(b"\r\n\r\n")
        assert connection.until(b"x") == b"x"


def test_trailers_that_nobody_takes_are_dropped(server):
    with wire(server.url) as connection:
        connection.send(b"GET /promised-trailers HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"\r\ntrailer:" not in connection.until(b"\r\n\r\n")
        assert connection.until(b"0\r\n\r\n") == b"1\r\nx\r\n0\r\n\r\n"


def test_debug_information_is_for_a_log_of_that_level(server, right):
    assert json.loads(get(server.url, "/debug").body) == [
        "http.response.debug",
        "http.response.early_hint",
        "http.response.pathsend",
    ]
    assert "DEBUG: http.response.debug: {'template': 'page.html'}" in server.log
    assert json.loads(get(right.url, "/debug").body) == ["http.response.early_hint", "http.response.pathsend"]


def test_an_app_without_lifespan_has_a_state_of_its_own_in_each_request(right):
    for _ in range(2):
        assert json.loads(get(right.url, "/state").body) == ["from a request"]
