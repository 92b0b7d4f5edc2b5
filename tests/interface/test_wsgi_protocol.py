"""PEP 3333, every case twice: as it is, and under wsgiref.validate, which checks both sides of it."""

import json
import socket
import struct
import time
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from harness import serve
from raw import ask, wire
from wire import get

PROJECT = Path(__file__).parents[1] / "projects" / "wsgi"
#: What wsgiref.validate says when somebody broke a rule.
COMPLAINTS = ("AssertionError", "without being closed", "WSGIWarning")


@pytest.fixture(scope="module", params=["app", "validated"])
def server(request):
    with serve([f"conduct_app:{request.param}", "--interface", "wsgi", "--threads", "8"], cwd=PROJECT) as server:
        yield server
        log = server.log
    complaints = [line for line in log.splitlines() if any(complaint in line for complaint in COMPLAINTS)]
    assert complaints == []


def until_closed(server, name):
    """The names of all that was closed, once `name` is among them."""
    for _ in range(1000):
        closed = json.loads(get(server.url, "/was_closed").body)
        if name in closed:
            return closed
        time.sleep(0.01)
    raise AssertionError(f"{name!r} was not closed: {closed}")


# path -> content, whether its length is told
BODIES = {
    "/list_of_one": (b"hello", True),
    "/list_of_three": (b"one two", True),
    "/tuple_of_large": (b"x" * 200_000 + b"y" * 200_000, False),
    "/empty": (b"", True),
    "/one": (b"the only piece", True),
    "/generator": (b"".join(b"%d\n" % number for number in range(1000)), False),
    "/write": (b"one two three", False),
    "/write_only": (b"said", True),
    "/unread": (b"did not look", True),
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_body_arrives_whole_and_its_end_is_known(server, path, version):
    content, length_known = BODIES[path]
    # The validator wraps what the app returns: nobody can see its length then.
    reply = ask(server.url, f"GET {path} HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    assert (reply.status, reply.body == content) == (200, True)
    if reply["content-length"] is None:
        assert reply["transfer-encoding"] == ("chunked" if version == "1.1" else None)
        assert "validated" in server.log or not length_known
    else:
        assert reply["content-length"] == str(len(content))


@pytest.mark.parametrize("path", [*BODIES, "/late", "/file", "/endless"])
def test_head_has_no_content_and_the_connection_goes_on(server, path):
    with wire(server.url) as connection:
        for _ in range(2):
            connection.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            reply = connection.reply("HEAD")
            assert reply.status == (201 if path == "/late" else 200)
        connection.send(b"GET /list_of_one HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.reply().body == b"hello"


def test_a_generator_may_call_start_response_late(server):
    reply = ask(server.url, b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (reply.line, reply.body) == ("HTTP/1.1 201 Made Late", b"late")


def test_a_head_that_was_not_sent_can_be_replaced(server):
    reply = ask(server.url, b"GET /replaced HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (reply.line, reply["x-first"], reply.body) == ("HTTP/1.1 503 Not Today", None, b"sorry")


def test_a_head_that_was_sent_cannot_and_the_error_goes_on(server):
    with wire(server.url) as connection:
        connection.send(b"GET /too_late HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (connection.head().status, connection.chunk()) == (200, b"begun")
        get(server.url, "/open_gate?too-late")
        rest, was_reset = connection.rest()
        assert (b"never" in rest, was_reset) == (False, True)
    assert "KeyError: 'after something was sent'" in server.wait_for_log("after something was sent")


@pytest.mark.parametrize("line", ["200 OK", "418 Short and stout", "299 \xe0 la carte", "599 Own", "404 Nobody Here"])
def test_the_status_line_is_the_apps(server, line):
    query = quote_plus(line, encoding="latin-1")
    reply = ask(server.url, f"GET /status?{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert (reply.line, reply.body) == ("HTTP/1.1 " + line, b"content")


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
def test_statuses_without_content_have_none_and_are_closed_all_the_same(server, line):
    before = json.loads(get(server.url, "/was_closed").body).count("status " + line)
    with wire(server.url) as connection:
        for _ in range(2):
            connection.send(f"GET /status?{line.replace(' ', '+')} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            reply = connection.reply()
            assert (reply.line, reply.body, reply["transfer-encoding"]) == ("HTTP/1.1 " + line, b"", None)
    assert until_closed(server, "status " + line).count("status " + line) == before + 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_what_the_app_returned_is_closed_once(server, method):
    ask(server.url, f"{method} /close?{method} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode(), method)
    assert until_closed(server, f"close {method}").count(f"close {method}") == 1


def test_it_is_closed_once_also_if_it_fails(server):
    assert ask(server.url, b"GET /fails?early HTTP/1.1\r\nHost: a\r\n\r\n").status == 500
    assert until_closed(server, "fails early").count("fails early") == 1
    with wire(server.url) as connection:
        connection.send(b"GET /fails?midway HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (connection.head().status, connection.chunk()) == (200, b"half")
        get(server.url, "/open_gate?fails")
        assert connection.rest()[1]
    assert until_closed(server, "fails midway").count("fails midway") == 1
    server.wait_for_log("ValueError: told to", times=2)


def test_it_is_closed_once_also_if_the_client_leaves(server):
    before = json.loads(get(server.url, "/was_closed").body).count("endless")
    with wire(server.url) as connection:
        connection.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.head().status == 200
        # With a RST, so that nothing else has to time out.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for _ in range(1000):
        if (now := json.loads(get(server.url, "/was_closed").body).count("endless")) > before:
            break
        time.sleep(0.01)
    assert now == before + 1
    assert "ConnectionResetError" not in server.log, "who leaves is not an error of the app"


def test_each_piece_is_sent_before_the_next_is_asked_for(server):
    with wire(server.url) as connection:
        connection.send(b"GET /gated HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.head().status == 200
        for number in range(3):
            assert connection.chunk() == b"piece %d" % number
            get(server.url, f"/open_gate?gated+{number}")
        assert connection.chunk() == b""


def test_both_directions_stream_at_the_same_time(server):
    with wire(server.url) as connection:
        connection.send(b"POST /talk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"6\r\nfirst\n\r\n")
        assert (connection.head().status, connection.chunk()) == (200, b"FIRST\n")
        for line in (b"second\n", b"x" * 100_000 + b"\n"):
            connection.send(b"%x\r\n%b\r\n" % (len(line), line))
            got = b""
            while len(got) < len(line):
                got += connection.chunk()
            assert got == line.upper()
        connection.send(b"0\r\n\r\n")
        assert connection.chunk() == b""


CONTENT = b"one\ntwo\n\nfour without an end"
READS = {
    "read": [CONTENT],
    "read=-1": [CONTENT],
    "read=0&read=5&read=100&read=100": [b"", CONTENT[:5], CONTENT[5:], b""],
    "readline&readline&readline&readline&readline": [b"one\n", b"two\n", b"\n", b"four without an end", b""],
    "readline=2&readline=2&readline=2": [b"on", b"e\n", b"tw"],
    "readlines": [[b"one\n", b"two\n", b"\n", b"four without an end"]],
    "readlines=5&read": [[b"one\n", b"two\n"], b"\nfour without an end"],
    "iterate&read=1": [b"one\n", b"two\n", b"\n", b"four without an end", b""],
    "readline&read=3&iterate": [b"one\n", b"two", b"\n", b"\n", b"four without an end"],
}
#: The ways a body can come: at once, in pieces with time between them, in chunks, in chunks that cut every line.
WAYS = ["at once", "slowly", "chunked", "tiny chunks"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", READS)
def test_the_input_reads_as_a_file_does(server, steps, way):
    if "read&" in steps + "&" and "validated" in server.log:
        steps = "&".join(step if step != "read" else "read=-1" for step in steps.split("&"))
        expected = READS.get(steps) or READS[steps.replace("read=-1", "read")]
    else:
        expected = READS[steps]
    with wire(server.url) as connection:
        head = f"POST /input_?{steps} HTTP/1.1\r\nHost: a\r\n"
        if way in ("at once", "slowly"):
            connection.send(f"{head}Content-Length: {len(CONTENT)}\r\n\r\n".encode())
            if way == "at once":
                connection.send(CONTENT)
            else:
                for at in range(0, len(CONTENT), 10):
                    connection.send(CONTENT[at : at + 10])
                    time.sleep(0.01)
        else:
            size = 100 if way == "chunked" else 3
            pieces = [CONTENT[at : at + size] for at in range(0, len(CONTENT), size)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            connection.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body + b"0\r\n\r\n")
        assert connection.reply().body.decode() == "\n".join(map(repr, expected))


@pytest.mark.parametrize("length", [0, 1, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_of_any_size_is_seen_whole(server, length, chunked):
    content = b"u" * length
    more = {"body": iter([content] if content else []), "encode_chunked": True} if chunked else {"body": content}
    assert get(server.url, "/sum_", method="POST", **more).body == str(length).encode()


def test_an_answer_can_come_before_the_body_is_there(server):
    for length in (5, 1_000_000):
        with wire(server.url) as connection:
            connection.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nab" % length)
            assert connection.reply().body == b"ab"


def test_a_body_that_nobody_reads_is_not_taken_for_a_request(server):
    with wire(server.url) as connection:
        for _ in range(2):
            connection.send(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n")
            connection.send(b"GET /open_gate?x HTTP/1.1\r\n\r\n\r\n")
            assert connection.reply().body == b"did not look"


def test_continue_is_said_when_the_app_reads(server):
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with wire(server.url) as connection:
        connection.send(head % b"/sum_")
        assert connection.head().status == 100
        connection.send(b"hello")
        assert connection.reply().body == b"5"
        connection.send(head % b"/unread")
        assert connection.reply().body == b"did not look"


@pytest.mark.parametrize("name", ["known", "chunked"])
def test_a_body_that_breaks_off_is_an_oserror_and_never_an_end(server, name):
    framing = b"Content-Length: 100000" if name == "known" else b"Transfer-Encoding: chunked"
    with wire(server.url) as connection:
        connection.send(b"POST /broken_input?%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (name.encode(), framing))
        connection.send(b"x" * 500 if name == "known" else b"5\r\nhello\r\n")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.rest()[0].split(b" ")[1:2] in ([], [b"400"])
    until_closed(server, f"{name}: ConnectionResetError")


def test_a_body_with_bad_chunks_is_an_oserror(server):
    with wire(server.url) as connection:
        head = b"POST /broken_input?bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send(head + b"5\r\nhello\r\n")
        connection.send(b"no size\r\n")
        assert connection.reply().status == 400
    until_closed(server, "bad: ConnectionAbortedError")


def test_what_is_written_to_errors_is_in_the_log(server):
    get(server.url, "/errors?something")
    assert "and more" in server.wait_for_log("said to wsgi.errors: something")


def test_a_file_is_sent(server):
    reply = ask(server.url, b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
    assert reply.body == (PROJECT / "conduct_app.py").read_bytes()
    assert reply["x-length"] == str(len(reply.body))


def test_fields_are_sent_as_given(server):
    reply = ask(server.url, b"GET /fields HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [value for name, value in reply.fields if name == "set-cookie"] == ["a=1", "b=2"]
    assert reply["x-narrow"] == "caf\xe9"
    assert reply["date"]


def environ_of(server, request):
    return json.loads(ask(server.url, request).body)


def test_the_environ_says_what_is_true(server):
    environ = environ_of(
        server,
        b"GET /environ_/caf%C3%A9%2f?q=%20%E9&r HTTP/1.1\r\nHost: a.example:81\r\nX-Two: 1\r\nX-Two: 2\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nContent-Type: x/y\r\nX_Two: 3\r\nX-Wide: \xe9\r\n\r\n",
    )
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ_/caf\xc3\xa9/",
        "QUERY_STRING": "q=%20%E9&r",
        "REQUEST_URI": "/environ_/caf%C3%A9%2f?q=%20%E9&r",
        "RAW_URI": "/environ_/caf%C3%A9%2f?q=%20%E9&r",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "a.example:81",
        "HTTP_X_TWO": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_WIDE": "\xe9",
        "CONTENT_TYPE": "x/y",
        "wsgi.version": [1, 0],
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert environ["REMOTE_PORT"].isdigit()
    assert environ["SERVER_SOFTWARE"].startswith("turnout/")
    assert {"HTTP_CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"} & environ.keys() == set()


def test_the_environ_of_other_requests_is_as_true(server):
    old = environ_of(server, b"POST /environ_ HTTP/1.0\r\nContent-Length: 2\r\n\r\nab")
    assert (old["SERVER_PROTOCOL"], old["REQUEST_METHOD"], old["CONTENT_LENGTH"]) == ("HTTP/1.0", "POST", "2")
    assert "HTTP_HOST" not in old
    chunked = environ_of(
        server, b"PATCH /environ_ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    assert {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} & chunked.keys() == set()
    whole = environ_of(server, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (whole["PATH_INFO"], whole["REQUEST_URI"]) == ("", "*")
    absolute = environ_of(server, b"GET http://b.example/environ_?x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (absolute["PATH_INFO"], absolute["HTTP_HOST"]) == ("/environ_", "b.example")
