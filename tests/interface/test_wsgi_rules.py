"""What an application does against PEP 3333 costs it that request; what a client does reaches it as the PEP says."""

from pathlib import Path

import pytest
from harness import serve
from raw import ask, wire
from wire import get

PROJECT = Path(__file__).parents[1] / "projects" / "wsgi"


@pytest.fixture(scope="module")
def server():
    with serve(["rough_app:app", "--interface", "wsgi", "--max-body", "1000"], cwd=PROJECT) as server:
        yield server


def request(path, version="1.1"):
    return f"GET {path} HTTP/{version}\r\nHost: a\r\n\r\n".encode()


FAILURES = {
    "twice": "start_response was called a second time without exc_info",
    "never/list": "did not call start_response",
    "never/generator": "did not call start_response",
    "status/200": None,
    "status/2000 OK": "illegal status '2000 OK'",
    "status/20 OK": "illegal status",
    "status/OK": "illegal status",
    "status/200OK": "illegal status",
    "status/100 Continue": "illegal status",
    "status/101 Switching Protocols": "illegal status",
    "status/103 Early Hints": "illegal status",
    "field/Connection": 'may not send "connection"',
    "field/Keep-Alive": "may not send",
    "field/Proxy-Authenticate": "may not send",
    "field/Proxy-Authorization": "may not send",
    "field/TE": "may not send",
    "field/Trailer": "may not send",
    "field/Transfer-Encoding": "may not send",
    "field/Upgrade": "may not send",
    "field/X-Other": None,
    "returns/none": "TypeError",
    "returns/number": "TypeError",
    "returns/text": "made of bytes, not <class 'str'>",
    "returns/texts": "made of bytes",
    "returns/numbers": "made of bytes",
    "returns/bytes": "made of bytes, not <class 'int'>",
    "writes": "made of bytes",
}


@pytest.mark.parametrize("path", FAILURES)
def test_a_rule_broken_before_the_head_is_one_500(server, path):
    said = FAILURES[path]
    before = len(server.log)
    with wire(server.url) as connection:
        connection.send(request("/" + path.replace(" ", "%20")))
        assert connection.reply().status == (200 if said is None else 500)
        # The connection is as good as before.
        connection.send(request("/fine"))
        assert connection.reply().body == b"fine"
    if said:
        server.wait_for_log(said)
        assert said in server.log[before:]


def test_the_head_that_came_first_stays(server):
    assert get(server.url, "/caught").body == b"RuntimeError"


@pytest.mark.parametrize("how", ["list", "write", "generator"])
@pytest.mark.parametrize(("pieces", "surplus"), [("30", 20), ("10,1", 1), ("4,4,4", 2)])
def test_a_body_longer_than_promised_is_cut(server, how, pieces, surplus):
    with wire(server.url) as connection:
        for _ in range(2):
            connection.send(request(f"/length/{how}-10-{pieces}"))
            reply = connection.reply()
            assert (reply["content-length"], reply.body) == ("10", b"x" * 10)
    server.wait_for_log(f"its body went {surplus} bytes past its Content-Length")


@pytest.mark.parametrize("how", ["list", "write", "generator"])
def test_a_body_shorter_than_promised_never_looks_whole(server, how):
    with wire(server.url) as connection:
        connection.send(request(f"/length/{how}-10-4,4"))
        try:
            head = connection.head()
        except ConnectionResetError:
            return
        if head.status == 200:
            body, was_reset = connection.rest()
            assert was_reset
            assert len(body) < 10
        else:
            assert head.status == 500


def test_an_app_may_go_on_after_its_last_byte(server):
    with wire(server.url) as connection:
        connection.send(request("/length/generator-10-5,5"))
        assert connection.reply().body == b"x" * 10
        connection.send(request("/finished"))
        assert b"generator-10-5,5" in connection.reply().body


def test_head_is_not_held_to_a_length(server):
    with wire(server.url) as connection:
        for how in ("list", "generator"):
            connection.send(request(f"/length/{how}-10-4").replace(b"GET", b"HEAD"))
            reply = connection.reply("HEAD")
            assert (reply.status, reply["content-length"]) == (200, "10")


def test_an_error_in_close_is_logged_and_the_answer_stays(server):
    assert get(server.url, "/close").body == b"whole"
    server.wait_for_log("ValueError: told to, in close()")


def test_an_input_kept_beyond_its_request_holds_nothing(server):
    with wire(server.url) as connection:
        connection.send(b"POST /keep HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert connection.reply().body == b"kept"
        # The rest may come or not: nothing after it could be trusted, and the connection ends, input held or not.
        assert connection.rest()[0] == b""
    assert get(server.url, "/look").body == b"ValueError"


def test_content_above_the_limit_is_413_also_while_the_app_reads(server):
    known = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"
    assert ask(server.url, known).status == 413
    before = server.log
    with wire(server.url) as connection:
        connection.send(b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        connection.send(b"1\r\nx\r\n0\r\n\r\n")
        assert connection.reply().status == 413
    assert get(server.url, "/read", method="POST", body=b"x" * 1000).body == b"1000"
    assert server.log == before, "a client's fault is not the app's"


def test_a_body_too_slow_is_408_also_while_the_app_reads():
    with serve(
        ["rough_app:app", "--interface", "wsgi", "--body-grace", "1s", "--body-rate", "1000000"], cwd=PROJECT
    ) as server:
        for framing in (b"Content-Length: 10", b"Content-Length: 1000000", b"Transfer-Encoding: chunked"):
            with wire(server.url) as connection:
                connection.send(b"POST /read HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
                connection.send(b"1\r\nx\r\n" if b"chunked" in framing else b"x")
                assert connection.reply().status == 408
        assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("options", "facts"),
    [([], b"True False False"), (["--threads", "1"], b"False False False"), (["--workers", "2"], b"True True False")],
)
def test_the_environ_says_how_the_app_is_run(options, facts):
    with serve(["rough_app:app", "--interface", "wsgi", *options], cwd=PROJECT) as server:
        assert get(server.url, "/facts").body == facts
