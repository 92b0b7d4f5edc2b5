"""The ASGI specification 2.5, "HTTP", over the wire, with and without our validator between."""

import json
import socket
import time
from pathlib import Path

import pytest
from harness import serve_asgi
from wire import get

PLAIN = Path(__file__).parents[1] / "projects" / "plain"


@pytest.fixture(scope="module", params=["plain", "validated"])
def server(request):
    with serve_asgi("asgi_app:app", validated=request.param == "validated", cwd=PLAIN) as server:
        yield server


def call(server, method, path, **more):
    answer = get(server.url, path, method=method, **more)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def until_event(server, wanted):
    seen = []
    patience = time.monotonic() + 30
    while wanted not in seen and time.monotonic() < patience:
        seen += call(server, "GET", "/events")
    assert wanted in seen
    return seen


def test_the_scope_is_as_specified(server):
    headers = {"Host": "example.org", "X-Name": "a", "Cookie": "k=v"}
    scope = call(server, "GET", "/scope/%C3%A4/b%2Fc?x=%20y&z", headers=headers)
    port = server.port
    client = scope.pop("client")
    assert client[0] == "127.0.0.1"
    assert isinstance(client[1], int)
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/scope/ä/b/c",
        "raw_path": "b:/scope/%C3%A4/b%2Fc",
        "query_string": "b:x=%20y&z",
        "root_path": "",
        "headers": [
            ["b:accept-encoding", "b:identity"],
            ["b:host", "b:example.org"],
            ["b:x-name", "b:a"],
            ["b:cookie", "b:k=v"],
        ],
        "server": ["127.0.0.1", port],
        "state": {"made": "at startup"},
        "extensions": {"http.response.early_hint": {}, "http.response.pathsend": {}},
    }


def test_over_a_unix_socket_there_is_no_client_and_the_server_is_a_path(tmp_path):
    path = tmp_path / "x.sock"
    with serve_asgi("asgi_app:app", ["--bind", f"unix:{path}"], validated=True, cwd=PLAIN) as server:
        scope = json.loads(get(server.addresses[0], "/scope").body)
    assert (scope["client"], scope["server"]) == (None, [str(path), None])


def test_paths_are_decoded_as_utf_8_whatever_they_hold(server):
    scope = call(server, "GET", "/scope/%E4%BD%A0/%FF/%25?%FF")
    assert (scope["path"], scope["raw_path"]) == ("/scope/\u4f60/\ufffd/%", "b:/scope/%E4%BD%A0/%FF/%25")
    assert scope["query_string"] == "b:%FF"


def test_http_1_0_is_told_apart(server):
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(b"GET /scope HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["http_version"] == "1.0"


def test_a_small_body_comes_whole(server):
    assert call(server, "POST", "/body", body=b"x" * 1000) == {"pieces": 1, "total": 1000}


def test_a_large_body_comes_in_pieces(server):
    answer = call(server, "POST", "/body", body=b"x" * 3_000_000)
    assert answer["total"] == 3_000_000
    assert answer["pieces"] > 1


def test_a_chunked_body_is_read_to_its_end(server):
    answer = call(server, "POST", "/body", body=iter([b"ab", b"cde"]), encode_chunked=True)
    assert answer["total"] == 5


def test_an_app_may_answer_while_it_reads(server):
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n")
        received = b""
        while b"ping" not in received:
            received += client.recv(65536)
        client.sendall(b"4\r\npong\r\n0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += client.recv(65536)
    assert b"pong" in received


def test_a_client_that_leaves_is_reported(server):
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(b"GET /wait-for-disconnect HTTP/1.1\r\nHost: x\r\n\r\n")
        until_event(server, "waiting")
    until_event(server, "http.disconnect")


def test_a_client_that_leaves_while_it_uploads_is_not_taken_for_the_end_of_the_body(server):
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome")
    until_event(server, "disconnected while reading")


def test_a_client_that_does_not_read_stops_the_app_from_writing(server):
    call(server, "GET", "/events")
    with socket.create_connection((server.host, server.port), timeout=30) as client:
        client.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1)
        written, before = call(server, "GET", "/last-written"), None
        while written != before:  # until it stands still
            before = written
            time.sleep(0.3)
            written = call(server, "GET", "/last-written")
        assert written < 4096 * 65536, "all of it was written though nobody read"
    until_event(server, "send raised ConnectionResetError")
