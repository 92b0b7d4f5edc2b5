"""PEP 3333 as far as Flask asks for it."""

import json
from pathlib import Path

import pytest
from harness import serve
from wire import get

PLAIN = Path(__file__).parents[1] / "projects" / "plain"


@pytest.fixture(scope="module")
def server():
    with serve(["flask_app:app"], cwd=PLAIN) as server:
        yield server


def call(server, method, path, **more):
    answer = get(server.url, path, method=method, **more)
    assert answer.status == 200, answer.body
    return answer.body


def test_hello(server):
    assert call(server, "GET", "/") == b"Hello, World!"


def test_a_stream_arrives_whole(server):
    assert call(server, "GET", "/stream") == b"".join(b"%d\n" % number for number in range(1000))


def test_a_chunked_body_is_seen(server):
    assert json.loads(call(server, "POST", "/raw", body=iter([b"abc", b"de"]), encode_chunked=True)) == {"length": 5}


def test_a_large_upload_is_seen_whole(server):
    content = b"y" * 3_000_000
    body = (
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nMarta\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + content + b"\r\n--b--\r\n"
    )
    answer = call(server, "POST", "/form", body=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert json.loads(answer) == {"name": "Marta", "file": 3_000_000}


def test_the_environ_says_what_is_true(server):
    environ = json.loads(call(server, "GET", "/environ?a=%20b", headers={"X-Two": "1", "X_Two": "2"}))
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/environ"
    assert environ["QUERY_STRING"] == "a=%20b"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["SERVER_PORT"] == str(server.port)
    assert environ["wsgi.multithread"] is True
    assert environ["wsgi.multiprocess"] is False
    assert environ["HTTP_X_TWO"] == "1"  # a name with an underscore must not pass for the other
