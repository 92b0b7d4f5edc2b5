"""httpbin (PyPI) served by the WSGI interface: what it says of a request, and what it sends, over the wire."""

import base64
import gzip
import json
import zlib
from contextlib import closing

import pytest
from harness import serve
from raw import ask, wire
from wire import Client, get


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(["httpbin:app", "--interface", "wsgi"], cwd=tmp_path_factory.mktemp("httpbin")) as server:
        yield server
        assert "Traceback" not in server.log


def say(server, path, **more):
    answer = get(server.url, path, **more)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_is_described_as_it_was_sent(server, method):
    told = say(server, "/anything/a%20b?x=1&x=2&y=%C3%A9", method=method, headers={"X-Own": "a, b", "User-Agent": "u"})
    assert told["method"] == method
    assert told["args"] == {"x": ["1", "2"], "y": "\xe9"}
    assert told["headers"]["X-Own"] == "a, b"
    assert told["headers"]["User-Agent"] == "u"
    assert told["origin"] == "127.0.0.1"
    assert told["url"] == f"{server.url}/anything/a%20b?x=1&x=2&y=\xe9"
    assert say(server, "/" + method.lower(), method=method)["url"] == f"{server.url}/{method.lower()}"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_of_every_kind_arrive(server, method):
    path = "/" + method.lower()
    document = {"name": "Ana\xefs", "numbers": list(range(100))}
    told = say(server, path, method=method, body=json.dumps(document), headers={"Content-Type": "application/json"})
    assert told["json"] == document
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert say(server, path, method=method, body="a=1&b=2&b=3", headers=form)["form"] == {"a": "1", "b": ["2", "3"]}
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\nv\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n' + b"z" * 100_000 + b"\r\n--x--\r\n"
    )
    told = say(server, path, method=method, body=parts, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (told["form"], told["files"]) == ({"n": "v"}, {"f": "z" * 100_000})
    binary = bytes(range(256))
    told = say(server, path, method=method, body=binary, headers={"Content-Type": "application/octet-stream"})
    assert base64.b64decode(told["data"].partition("base64,")[2]) == binary


def test_chunks_arrive_as_one_body(server):
    told = say(server, "/post", method="POST", body=iter([b"one ", b"two ", b"three"]), encode_chunked=True)
    assert told["data"] == "one two three"


@pytest.mark.parametrize("code", [200, 201, 204, 205, 304, 400, 402, 404, 406, 418, 500, 503])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_any_status_is_sent_and_the_connection_goes_on(server, code, method):
    with wire(server.url) as connection:
        for _ in range(2):
            connection.send(f"{method} /status/{code} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
            assert connection.reply(method).status == code


def test_the_teapot_has_its_words(server):
    reply = ask(server.url, b"GET /status/418 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (reply.line, reply["x-more-info"]) == ("HTTP/1.1 418 I'M A TEAPOT", "http://tools.ietf.org/html/rfc2324")
    assert b"teapot" in reply.body


@pytest.mark.parametrize("path", ["/get", "/html", "/image/png", "/stream/5", "/xml"])
def test_head_is_get_without_content(server, path):
    with wire(server.url) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        whole = connection.reply()
        connection.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head = connection.reply("HEAD")
        assert (head.status, head["content-type"]) == (200, whole["content-type"])
        assert head["content-length"] == whole["content-length"]


def test_encodings_are_untouched(server):
    packed = get(server.url, "/gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.body))["gzipped"]
    assert json.loads(zlib.decompress(get(server.url, "/deflate").body))["deflated"]
    assert get(server.url, "/brotli").headers["Content-Encoding"] == "br"
    assert "\u2200x\u2208\u211d" in get(server.url, "/encoding/utf8").text


def test_redirects_lead_where_they_say(server):
    with closing(Client(server.url)) as client:
        path, hops = "/redirect/3", 0
        while (answer := client.call(path)).status == 302:
            path, hops = answer.headers["Location"].removeprefix(server.url), hops + 1
        assert (hops, answer.status, path) == (3, 200, "/get")
    assert get(server.url, "/absolute-redirect/1").headers["Location"] == f"{server.url}/get"
    assert get(server.url, "/redirect-to?url=http%3A%2F%2Fb.example%2F&status_code=307").status == 307


def test_cookies_go_both_ways(server):
    reply = ask(server.url, b"GET /cookies/set?a=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sorted(value for name, value in reply.fields if name == "set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    reply = ask(server.url, b"GET /cookies HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n")
    assert json.loads(reply.body)["cookies"] == {"a": "1", "b": "2"}


def test_answers_that_come_in_pieces_come_whole(server):
    lines = get(server.url, "/stream/20").body.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(20))
    first, second = (get(server.url, "/stream-bytes/100000?seed=7&chunk_size=999").body for _ in range(2))
    assert (len(first), first == second) == (100_000, True)
    with wire(server.url) as connection:
        connection.send(b"GET /drip?numbytes=5&duration=0.2&delay=0 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.reply().body == b"*****"


@pytest.mark.parametrize(
    ("wish", "status", "said", "size"),
    [
        ("bytes=0-99", 206, "bytes 0-99/5000", 100),
        ("bytes=4900-", 206, "bytes 4900-4999/5000", 100),
        ("bytes=-10", 206, "bytes 4990-4999/5000", 10),
        ("bytes=6000-7000", 416, "bytes */5000", 0),
    ],
)
def test_ranges_are_the_apps(server, wish, status, said, size):
    answer = get(server.url, "/range/5000", headers={"Range": wish})
    assert (answer.status, answer.headers["Content-Range"], len(answer.body)) == (status, said, size)


def test_conditional_requests_are_the_apps(server):
    assert get(server.url, "/cache", headers={"If-Modified-Since": "Wed, 25 Nov 2026 00:00:00 GMT"}).status == 304
    assert get(server.url, "/etag/abc", headers={"If-None-Match": '"abc"'}).status == 304
    assert get(server.url, "/etag/abc", headers={"If-Match": '"other"'}).status == 412


def test_who_knows_the_password_comes_in(server):
    known = {"Authorization": "Basic " + base64.b64encode(b"ana:secret").decode()}
    assert say(server, "/basic-auth/ana/secret", headers=known) == {"authenticated": True, "user": "ana"}
    refused = get(server.url, "/basic-auth/ana/secret")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="Fake Realm"')
    assert get(server.url, "/hidden-basic-auth/ana/secret").status == 404
    assert say(server, "/bearer", headers={"Authorization": "Bearer t"})["token"] == "t"


def test_a_slow_answer_does_not_stop_the_others(server):
    with wire(server.url) as slow:
        slow.send(b"GET /delay/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert say(server, "/get")["args"] == {}
        assert slow.reply().status == 200


def test_binary_content_is_untouched(server):
    for kind, start in (("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("webp", b"RIFF"), ("svg", b"<svg")):
        answer = get(server.url, f"/image/{kind}")
        assert start in answer.body[:200]
        assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert get(server.url, "/bytes/3000?seed=1").body == get(server.url, "/bytes/3000?seed=1").body


def test_fields_are_those_the_app_was_told_to_send(server):
    reply = ask(server.url, b"GET /response-headers?X-A=1&X-A=2&X-B=caf%C3%A9 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [value for name, value in reply.fields if name == "x-a"] == ["1", "2"]
    assert ask(server.url, b"GET /nothing-here HTTP/1.1\r\nHost: a\r\n\r\n").status == 404
    assert ask(server.url, b"PUT /get HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")["allow"]
